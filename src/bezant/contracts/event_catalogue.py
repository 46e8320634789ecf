"""Every type of event that is published: its topic and the type of its data. The AsyncAPI document is made from it."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple, get_args

import msgspec

from bezant.contracts import account_events, fraud_events
from bezant.contracts.account_events import AccountState
from bezant.contracts.events import (
    ACCOUNT_EVENTS,
    FRAUD_EVENTS,
    NOTIFICATION_EVENTS,
    PAYMENT_EVENTS,
    TENANT_CHANGED,
    TENANT_CREATED,
    TRANSFER_EVENTS,
)
from bezant.contracts.ledger_events import EVENT_OF_KIND, TransferRecorded
from bezant.contracts.notification_events import (
    EmailTemplateChanged,
    EndpointChangeKind,
    MessagesReplayed,
    WebhookEndpointChanged,
)
from bezant.contracts.payment_events import PaymentEvent, PaymentRescored
from bezant.contracts.tenant_events import (
    ApiKeyCreated,
    ApiKeyRevoked,
    ApiKeyRotated,
    ApprovalDecided,
    OperatorChanged,
    OperatorSignedIn,
    TenantDatabaseEvent,
    TenantPoliciesChanged,
    TenantStateChanged,
)


class PublishedEvent(NamedTuple):
    """One type of event."""

    topic: str
    data: type[msgspec.Struct]


def _all(topic: str, data: type[msgspec.Struct], types: Iterable[str]) -> dict[str, PublishedEvent]:
    return dict.fromkeys(types, PublishedEvent(topic, data))


EVENT_CATALOGUE: Final[Mapping[str, PublishedEvent]] = MappingProxyType(
    _all(TENANT_CREATED, TenantDatabaseEvent, ["tenant.created"])
    | _all(TENANT_CHANGED, TenantDatabaseEvent, ["tenant.credentials_rotated", "tenant.closing"])
    | _all(
        TENANT_CHANGED,
        TenantStateChanged,
        [
            "tenant.activated", "tenant.suspended", "tenant.resumed", "tenant.closing_begun", "tenant.closed",
            "tenant.onboarding_failed",
        ],
    )
    | _all(TENANT_CHANGED, TenantPoliciesChanged, ["tenant.policies_changed"])
    | _all(TENANT_CHANGED, ApiKeyCreated, ["tenant.api_key_created"])
    | _all(TENANT_CHANGED, ApiKeyRevoked, ["tenant.api_key_revoked"])
    | _all(TENANT_CHANGED, ApiKeyRotated, ["tenant.api_key_rotated"])
    | _all(
        TENANT_CHANGED,
        ApprovalDecided,
        ["tenant.approval_approved", "tenant.approval_rejected", "tenant.approval_withdrawn"],
    )
    | _all(TENANT_CHANGED, OperatorChanged, ["tenant.operator_added", "tenant.operator_removed"])
    | _all(TENANT_CHANGED, OperatorSignedIn, ["tenant.operator_signed_in", "tenant.operator_signed_out"])
    | _all(
        ACCOUNT_EVENTS,
        AccountState,
        [
            account_events.ACCOUNT_OPENED, account_events.ACCOUNT_FROZEN, account_events.ACCOUNT_UNFROZEN,
            account_events.ACCOUNT_CLOSED, account_events.ACCOUNT_LIMITS_CHANGED, account_events.ACCOUNT_DESCRIBED,
        ],
    )
    | _all(TRANSFER_EVENTS, TransferRecorded, EVENT_OF_KIND.values())
    | _all(
        PAYMENT_EVENTS,
        PaymentEvent,
        [
            "payment.captured", "payment.authorized", "payment.requires_review", "payment.declined", "payment.failed",
            "payment.voided", "payment.expired", "payment.refunded", "payment.refund_failed",
        ],
    )
    | _all(PAYMENT_EVENTS, PaymentRescored, ["payment.rescored"])
    | _all(FRAUD_EVENTS, fraud_events.FraudAssessed, [fraud_events.FRAUD_ASSESSED])
    | _all(FRAUD_EVENTS, fraud_events.FraudCaseOpened, [fraud_events.FRAUD_CASE_OPENED])
    | _all(FRAUD_EVENTS, fraud_events.FraudCaseDecided, [fraud_events.FRAUD_CASE_DECIDED])
    | _all(FRAUD_EVENTS, fraud_events.FraudRulesChanged, [fraud_events.FRAUD_RULES_CHANGED])
    | _all(FRAUD_EVENTS, fraud_events.FraudCaseChanged, fraud_events.TYPE_OF_CHANGE.values())
    | _all(FRAUD_EVENTS, fraud_events.FraudPaymentLabelled, [fraud_events.FRAUD_PAYMENT_LABELLED])
    | _all(FRAUD_EVENTS, fraud_events.FraudSettingsChanged, [fraud_events.FRAUD_SETTINGS_CHANGED])
    | _all(
        NOTIFICATION_EVENTS,
        WebhookEndpointChanged,
        (f"webhook_endpoint.{kind}" for kind in get_args(EndpointChangeKind)),
    )
    | _all(NOTIFICATION_EVENTS, MessagesReplayed, ["webhook_endpoint.replayed"])
    | _all(NOTIFICATION_EVENTS, EmailTemplateChanged, ["email_template.changed", "email_template.removed"])
)  # fmt: skip
"""By the event's `type`."""
