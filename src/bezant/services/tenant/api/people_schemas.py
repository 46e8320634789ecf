"""What the API of people and sessions reads and answers."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from bezant.contracts.annotations import Text
from bezant.foundation.identity.roles import Role

_Token = Annotated[Text, Field(min_length=1, max_length=4_096)]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid")


class OperatorRequest(_Request):
    """A person who may sign in."""

    email: Annotated[Text, Field(min_length=3, max_length=254, examples=["ana@example.com"])]
    role: Role
    tenant_id: UUID | None = Field(
        None, description="For administrators: whose person it is; null for a person of the platform"
    )


class OperatorAnswer(BaseModel):
    """A person who may sign in."""

    id: UUID
    tenant_id: UUID | None
    email: str
    role: Role
    has_signed_in: bool = Field(description="From then on the identity provider's own name for the person counts")
    created_at: datetime
    created_by: str
    last_sign_in_at: datetime | None


class OperatorList(BaseModel):
    """All people of a tenant, or of the platform."""

    data: list[OperatorAnswer]


class SignInRequest(_Request):
    """Where the identity provider is to send the person afterwards, and which tenant the session is for."""

    redirect_uri: Annotated[Text, Field(min_length=1, max_length=2_000, examples=["http://127.0.0.1:53682/"])]
    tenant: Annotated[str, Field(max_length=40, examples=["acme"])] | None = Field(
        None, description="The tenant's slug; left out, the session is of the platform itself"
    )


class SignInAnswer(BaseModel):
    """Send the person to `authorization_url` and keep the rest."""

    id: UUID
    secret: str = Field(description="Completes this sign-in; it goes nowhere else")
    authorization_url: str
    expires_at: datetime


class SignInCompletion(_Request):
    """What came back to the redirect address, with what the beginning answered."""

    id: UUID
    secret: _Token
    state: _Token
    code: _Token


class SessionAnswer(BaseModel):
    """A session. `token` is sent like an API key and shown this once."""

    token: str
    expires_at: datetime
    operator_id: UUID
    email: str
    role: Role
    tenant_id: UUID | None
    scopes: list[str]


class CurrentSession(BaseModel):
    """Who is asking."""

    actor: str
    tenant_id: UUID | None
    scopes: list[str]


class ActAnswer(BaseModel):
    """One administrative act."""

    id: UUID
    happened_at: datetime
    actor: str
    act: str
    tenant_id: UUID | None
    subject: str
    details: dict[str, Any]
