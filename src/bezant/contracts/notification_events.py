"""Data of the events on `notification.events`; the subject is the endpoint's id, or a template's
event type.

They are for the audit log: where a tenant's events are sent is worth knowing who changed.
"""

from typing import Literal, TypeAlias
from uuid import UUID

import msgspec

EndpointChangeKind: TypeAlias = Literal["created", "changed", "deleted", "secret_rotated"]
"""The event's type is `webhook_endpoint.` and one of these."""


class WebhookEndpointChanged(msgspec.Struct, frozen=True, kw_only=True):
    """An endpoint as it is after the change. Its URL may hold a token, so it counts as personal.

    An e-mail subscription is an endpoint too: its URL is `mailto:` and the address.
    """

    endpoint_id: UUID
    url: str
    description: str
    event_filters: list[str]
    status: str


class MessagesReplayed(msgspec.Struct, frozen=True, kw_only=True):
    """`webhook_endpoint.replayed`: messages are sent again."""

    endpoint_id: UUID
    message_count: int


class EmailTemplateChanged(msgspec.Struct, frozen=True, kw_only=True):
    """`email_template.changed`, `email_template.removed`: mails about this type of event have other words now."""

    event_type: str
