"""Wiring of the notification service."""

from uuid import UUID

from bezant.contracts.events import ReceivedEvent
from bezant.foundation.events.subscription import Subscription
from bezant.foundation.service import ServiceContext, ServiceParts
from bezant.services.notification.api.routes import public_router
from bezant.services.notification.api.subscription_routes import subscription_router, template_router
from bezant.services.notification.events.consumes import TOPICS
from bezant.services.notification.mail import Mailer
from bezant.services.notification.operations.dispatch import DELIVERIES, Dispatcher
from bezant.services.notification.operations.enqueue_messages import enqueue_events
from bezant.services.notification.operations.manage_endpoints import ManageEndpoints
from bezant.services.notification.operations.manage_subscriptions import ManageSubscriptions
from bezant.services.notification.operations.prune_history import PRUNING, PruneHistory
from bezant.services.notification.operations.send import MessageSender
from bezant.services.notification.settings import NotificationSettings
from bezant.services.notification.storage.client_certificate import ClientCertificate
from bezant.services.notification.storage.secret_box import SecretBox
from bezant.services.notification.transport import WebhookTransport


def build(context: ServiceContext) -> ServiceParts:
    """Return the service's parts."""
    settings, databases = NotificationSettings(), context.databases
    box, certificate = SecretBox(context.secrets), ClientCertificate(context.secrets)
    transport, mailer = WebhookTransport(settings, certificate), Mailer(settings, context.secrets)
    dispatcher = Dispatcher(
        databases=databases,
        due_work=context.due_work,
        sender=MessageSender(box, transport, mailer),
        settings=settings,
    )
    endpoints = ManageEndpoints(databases, box, transport, settings)
    subscriptions = ManageSubscriptions(databases, context.directory, box, mailer, settings)

    async def enqueue(tenant_id: UUID, events: list[ReceivedEvent]) -> None:
        await dispatcher.guard(tenant_id)
        if await enqueue_events(databases, tenant_id, events):
            dispatcher.wake(tenant_id)

    return ServiceParts(
        routers=[
            public_router(databases, endpoints, dispatcher, certificate),
            subscription_router(databases, endpoints, subscriptions, dispatcher),
            template_router(databases),
        ],
        consumers=[Subscription(TOPICS, enqueue, linger_seconds=settings.linger_seconds, rest_factor=3.0)],
        due_work={
            DELIVERIES: dispatcher.deliver_when_due,
            PRUNING: PruneHistory(databases, settings).when_due,
        },
        on_stop=[dispatcher.close],
    )
