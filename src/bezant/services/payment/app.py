"""Wiring of the payment service."""

from bezant.contracts.events import FRAUD_EVENTS
from bezant.foundation.events import Subscription
from bezant.foundation.service import ServiceContext, ServiceParts
from bezant.services.payment.api.routes import create_route, payment_routes
from bezant.services.payment.operations.act_on_payments import PaymentActions
from bezant.services.payment.operations.create_batches import PaymentBatches
from bezant.services.payment.operations.create_payments import STUCK, PaymentCreation
from bezant.services.payment.operations.decide import FraudChecks
from bezant.services.payment.operations.decide_review import ReviewDecisions
from bezant.services.payment.operations.expire_payments import Expiries
from bezant.services.payment.operations.known_accounts import KnownAccounts
from bezant.services.payment.operations.rescore_payments import Rescoring
from bezant.services.payment.operations.resolve_stuck import StuckWork
from bezant.services.payment.operations.settle_payments import EXPIRY, RESCORE, PaymentSettlement
from bezant.services.payment.settings import PaymentSettings


def build(context: ServiceContext) -> ServiceParts:
    """Return the parts of the payment service."""
    settings = PaymentSettings()
    fraud = FraudChecks(
        context.internal,
        context.directory,
        timeout_seconds=settings.fraud_timeout_seconds,
        silence_seconds=lambda: (
            settings.fraud_silence_at_limit_seconds
            if context.admission.is_at_limit()
            else settings.fraud_silence_seconds
        ),
        wait_seconds=settings.fraud_wait_seconds,
    )
    settlement = PaymentSettlement(context.databases, context.internal, fraud, context.due_work)
    creation = PaymentCreation(context.databases, KnownAccounts(context.internal), settlement, context.due_work)
    actions = PaymentActions(context.databases, context.internal, context.due_work)
    stuck = StuckWork(context.databases, settlement, actions, age_seconds=settings.stuck_after_seconds)
    return ServiceParts(
        routers=[payment_routes(context.databases, creation, PaymentBatches(context.databases, creation), actions)],
        direct=[create_route(creation)],
        consumers=[Subscription([FRAUD_EVENTS], ReviewDecisions(context.databases, actions).on_events)],
        due_work={
            STUCK: stuck.resolve,
            EXPIRY: Expiries(context.databases, actions).expire,
            RESCORE: Rescoring(context.databases, fraud).rescore,
        },
        on_stop=[creation.drain, actions.drain],
    )
