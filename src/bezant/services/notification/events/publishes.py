"""The events of the notification service: who changed where a tenant's webhooks go."""

from bezant.contracts.events import NOTIFICATION_EVENTS, Event
from bezant.contracts.notification_events import (
    EmailTemplateChanged,
    EndpointChangeKind,
    MessagesReplayed,
    WebhookEndpointChanged,
)
from bezant.services.notification.domain.endpoints import Endpoint


def endpoint_changed(kind: EndpointChangeKind, endpoint: Endpoint, *, actor: str) -> Event:
    """Return the event that says what was done to an endpoint; the secret is never in it."""
    return Event(
        type=f"webhook_endpoint.{kind}",
        topic=NOTIFICATION_EVENTS,
        subject=str(endpoint.id),
        actor=actor,
        data=WebhookEndpointChanged(
            endpoint_id=endpoint.id,
            url=endpoint.url,
            description=endpoint.description,
            event_filters=endpoint.event_filters,
            status=endpoint.status.value,
        ),
    )


def messages_replayed(endpoint: Endpoint, count: int, *, actor: str) -> Event:
    """Return the event that says that messages are sent again."""
    return Event(
        type="webhook_endpoint.replayed",
        topic=NOTIFICATION_EVENTS,
        subject=str(endpoint.id),
        actor=actor,
        data=MessagesReplayed(endpoint_id=endpoint.id, message_count=count),
    )


def template_changed(event_type: str, *, removed: bool, actor: str) -> Event:
    """Return the event that says whose words the tenant's e-mails have."""
    return Event(
        type="email_template.removed" if removed else "email_template.changed",
        topic=NOTIFICATION_EVENTS,
        subject=event_type,
        actor=actor,
        data=EmailTemplateChanged(event_type=event_type),
    )
