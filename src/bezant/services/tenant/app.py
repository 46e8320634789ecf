"""Wiring of the tenant service."""

import asyncio
from pathlib import Path

from bezant.foundation.service import CONTROL_TENANT, ServiceContext, ServiceParts
from bezant.services.tenant.api.approval_routes import approval_routes
from bezant.services.tenant.api.documentation import documentation_routes
from bezant.services.tenant.api.export_routes import export_routes
from bezant.services.tenant.api.people_routes import people_routes, session_routes
from bezant.services.tenant.api.routes import api_key_routes, tenant_routes
from bezant.services.tenant.identity_provider import IdentityProvider
from bezant.services.tenant.operations.migrate_late import keep_migrating
from bezant.services.tenant.operations.read_export import keep_removing
from bezant.services.tenant.operations.sign_in import SignIn
from bezant.services.tenant.provisioning.exports import Exports
from bezant.services.tenant.provisioning.open_provisioner import open_provisioner
from bezant.services.tenant.sagas.runner import SagaRunner
from bezant.services.tenant.sagas.steps import Steps
from bezant.services.tenant.settings import TenantSettings

_OUTBOX_SECONDS = 1.0


def build(context: ServiceContext) -> ServiceParts:
    """Return the parts of the tenant service."""
    settings = TenantSettings()
    exports = Exports(Path(settings.export_dir), settings.export_retention_days)
    provisioner = open_provisioner(context.settings, settings, context.control, context.secrets)
    steps = Steps(
        context.control,
        context.secrets,
        provisioner,
        context.relay,
        fleet_timeout_seconds=settings.fleet_timeout_seconds,
        exports=exports,
    )
    runner = SagaRunner(
        context.control, steps, lease_seconds=settings.saga_lease_seconds, on_change=context.directory.forget
    )

    async def relay_control_outbox() -> None:
        # The control database is ours alone to publish from, so that looking is cheap: no hints are needed.
        while True:
            context.relay.wake(CONTROL_TENANT)
            await asyncio.sleep(_OUTBOX_SECONDS)

    async def remove_exports() -> None:
        await keep_removing(context.control, exports, provisioner)

    async def migrate_late() -> None:
        await keep_migrating(context.control, provisioner)

    def announce() -> None:
        context.relay.wake(CONTROL_TENANT)

    provider = IdentityProvider(settings, context.secrets)
    tiers = frozenset(settings.tiers.split(","))
    return ServiceParts(
        routers=[
            tenant_routes(context.control, runner, context.internal, tiers=tiers, announce=announce),
            api_key_routes(context.control, announce=announce),
            export_routes(context.control, exports),
            approval_routes(context.control, announce=announce),
            people_routes(context.control, announce=announce),
            session_routes(SignIn(context.control, provider, settings), announce=announce),
            documentation_routes(),
        ],
        background=[runner.resume_abandoned, relay_control_outbox, remove_exports, migrate_late],
        on_stop=[runner.close, provider.close],
    )
