"""What the notification service listens to: everything that a tenant's own systems may want to know."""

from typing import Final

from bezant.contracts.events import ACCOUNT_EVENTS, FRAUD_EVENTS, PAYMENT_EVENTS, TRANSFER_EVENTS

TOPICS: Final = (ACCOUNT_EVENTS, TRANSFER_EVENTS, PAYMENT_EVENTS, FRAUD_EVENTS)
