"""What the tenant API reads and answers."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from bezant.contracts.annotations import Instant, Text
from bezant.contracts.money import CurrencyCode

TenantStatus = Literal["onboarding", "active", "suspended", "closing", "closed", "failed"]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid")


class FraudUnavailablePolicy(_Request):
    """What happens to a payment while the fraud service is down. While it is only slow, its score is waited for."""

    review_from_major: int = Field(
        100,
        ge=0,
        description="From this amount (in major units of its currency) the payment waits for review; "
        "below it is approved and scored again later",
    )


class FourEyesPolicy(_Request):
    """What takes two people. Fraud cases have a setting of their own, `PUT /v1/fraud/settings`."""

    reversals: bool = Field(False, description="Reversing a transfer")
    limit_raises: bool = Field(
        False, description="Raising an account's overdraft limit, raising or lifting its daily limit"
    )
    people_only: bool = Field(False, description="Only somebody who has signed in may approve, no key")


class TenantPolicies(_Request):
    """A tenant's own choices."""

    fraud_unavailable: FraudUnavailablePolicy = FraudUnavailablePolicy()
    four_eyes: FourEyesPolicy = FourEyesPolicy()


class TenantRequest(_Request):
    """A tenant to be registered."""

    name: Annotated[Text, Field(min_length=1, max_length=200, examples=["Acme Marketplace"])]
    slug: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{1,38}[a-z0-9]$", examples=["acme"])]
    tier: Literal["shared", "dedicated"] = "shared"
    default_currency: CurrencyCode = "USD"
    rate_limit_per_second: Annotated[int, Field(ge=1, le=100_000)] = 5000
    policies: TenantPolicies = TenantPolicies()


class PoliciesRequest(_Request):
    """A tenant's choices and its rate limit."""

    policies: TenantPolicies
    rate_limit_per_second: Annotated[int, Field(ge=1, le=100_000)] | None = None


class StepAnswer(BaseModel):
    """One step of an operation."""

    name: str
    status: Literal["pending", "running", "done", "failed", "compensated"]
    attempts: int
    started_at: datetime | None
    finished_at: datetime | None
    error: str | None
    progress: str | None = Field(description="How far a long step has come, such as the making of a cluster")


class OperationAnswer(BaseModel):
    """Progress of an onboarding, a rotation or an offboarding."""

    id: UUID
    kind: str
    status: Literal["running", "compensating", "succeeded", "failed"]
    error: str | None
    started_at: datetime
    finished_at: datetime | None
    duration_ms: int | None
    steps: list[StepAnswer]


class TenantAnswer(BaseModel):
    """A tenant."""

    id: UUID
    slug: str
    name: str
    tier: str
    status: TenantStatus
    default_currency: str
    policies: TenantPolicies
    rate_limit_per_second: int
    created_at: datetime
    activated_at: datetime | None


class RegistrationAnswer(BaseModel):
    """The answer to a registration. `api_key` is shown once."""

    id: UUID
    slug: str
    status: str
    api_key: str | None = Field(
        description="The tenant's first key. Null when this request is repeated: it was shown before, and "
        "`POST /v1/api-keys` makes another"
    )
    onboarding: str = Field(description="Where to watch the onboarding")


class ApiKeyRequest(_Request):
    """A key to be made."""

    name: Annotated[Text, Field(min_length=1, max_length=100)]
    scopes: Annotated[list[Annotated[Text, Field(max_length=50)]], Field(min_length=1, max_length=20)]
    tenant_id: UUID | None = Field(None, description="For administrators: whose key it is; null for an admin key")
    expires_at: Instant | None = Field(None, description="From then on the key is refused; never by default")


class KeyRotationRequest(_Request):
    """How long the old key works beside the new one."""

    overlap_seconds: int = Field(86_400, ge=0, le=7 * 86_400, strict=True)
    expires_at: Instant | None = Field(None, description="When the new key ends; never by default")


class RotatedKeyAnswer(BaseModel):
    """The new key with its secret, shown once."""

    key_id: str
    api_key: str
    previous_expires_at: datetime


class ApiKeyAnswer(BaseModel):
    """A key without its secret."""

    key_id: str
    tenant_id: UUID | None
    name: str
    scopes: list[str]
    created_at: datetime
    created_by: str
    expires_at: datetime | None
    revoked_at: datetime | None
    replaced_by: str | None = Field(description="The key that a rotation made of this one")


class NewApiKeyAnswer(BaseModel):
    """A key with its secret, shown once."""

    key_id: str
    api_key: str


class ApiKeyList(BaseModel):
    """All keys of a tenant."""

    data: list[ApiKeyAnswer]
