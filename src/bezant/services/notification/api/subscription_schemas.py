"""Requests and answers of the e-mail API."""

from datetime import datetime
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from bezant.contracts.annotations import Text
from bezant.services.notification.api.schemas import Description, EventFilters
from bezant.services.notification.domain.endpoints import Endpoint
from bezant.services.notification.domain.messages import EndpointStatus
from bezant.services.notification.domain.templates import Template
from bezant.services.notification.operations.manage_subscriptions import SubscriptionChange
from bezant.services.notification.operations.manage_templates import OwnTemplate


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class SubscriptionIn(_Strict):
    """An address and what it is to be told."""

    address: Annotated[Text, Field(min_length=3, max_length=254, examples=["risk@example.com"])]
    description: Description = ""
    event_filters: EventFilters = ["fraud.case_opened"]


class SubscriptionChangeIn(_Strict):
    """What to change; parts that are left out stay as they are."""

    description: Description | None = None
    event_filters: EventFilters | None = None
    status: Literal["enabled", "disabled"] | None = None

    def change(self) -> SubscriptionChange:
        """Return the change."""
        status = None if self.status is None else EndpointStatus(self.status)
        return SubscriptionChange(self.description, self.event_filters, status)


class ConfirmationIn(_Strict):
    """The code that was mailed to the address."""

    code: Annotated[Text, Field(min_length=1, max_length=40)]


class SubscriptionOut(BaseModel):
    """An address and what it is told; disabled until its owner has confirmed it."""

    id: UUID
    address: str
    description: str
    event_filters: list[str]
    status: EndpointStatus
    status_reason: str | None
    last_sequence: int
    failing_since: datetime | None
    paused_until: datetime | None
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, endpoint: Endpoint) -> Self:
        """Return the answer for a subscription."""
        return cls(
            id=endpoint.id,
            address=endpoint.address,
            description=endpoint.description,
            event_filters=endpoint.event_filters,
            status=endpoint.status,
            status_reason=endpoint.status_reason,
            last_sequence=endpoint.last_sequence,
            failing_since=endpoint.failing_since,
            paused_until=endpoint.paused_until,
            created_at=endpoint.created_at,
            updated_at=endpoint.updated_at,
        )


class EmailTemplateIn(_Strict):
    """Your own words about one type of event. `${data.reference}` and the like are filled from the event."""

    subject: Annotated[Text, Field(min_length=1, max_length=200, examples=["Payment of ${data.amount}"])]
    body: Annotated[Text, Field(min_length=1, max_length=20_000)]

    def template(self) -> Template:
        """Return the template."""
        return Template(self.subject, self.body)


class EmailTemplateOut(BaseModel):
    """A template of your own."""

    event_type: str
    subject: str
    body: str
    updated_at: datetime
    updated_by: str

    @classmethod
    def of(cls, own: OwnTemplate) -> Self:
        """Return the answer for a template."""
        return cls(
            event_type=own.event_type,
            subject=own.template.subject,
            body=own.template.body,
            updated_at=own.updated_at,
            updated_by=own.updated_by,
        )


class EmailTemplateList(BaseModel):
    """Every template of your own."""

    data: list[EmailTemplateOut]
