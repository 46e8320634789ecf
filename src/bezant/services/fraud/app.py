"""Wiring of the fraud service."""

from uuid import UUID

from bezant.contracts.internal.fraud import ASSESSMENTS_PATH, Assessment, AssessmentRequest
from bezant.foundation.internal_calls import parts_route
from bezant.foundation.service import ServiceContext, ServiceParts
from bezant.services.fraud.api.case_routes import cases_router
from bezant.services.fraud.api.routes import public_router
from bezant.services.fraud.api.rule_routes import rules_router
from bezant.services.fraud.domain.models import load_model
from bezant.services.fraud.operations.assess_payments import AssessPayments
from bezant.services.fraud.operations.recount_velocity import VelocityHistory
from bezant.services.fraud.settings import FraudSettings
from bezant.services.fraud.storage.active_rulesets import ActiveRulesets
from bezant.services.fraud.storage.velocity_counters import VelocityCounters


def build(context: ServiceContext) -> ServiceParts:
    """Return the service's parts. Raises `ModelInvalid` for a model's artefact that does not fit this version."""
    settings = FraudSettings()
    counters = VelocityCounters(context.valkey, settings)
    history = VelocityHistory(context.databases, counters, settings)
    assess = AssessPayments(
        context.databases,
        counters,
        ActiveRulesets(),
        history=history,
        model=None if settings.model_file is None else load_model(settings.model_file.read_bytes()),
        model_is_active=settings.model_mode == "active",
    )

    async def answer(tenant_id: UUID, _: str, requests: list[AssessmentRequest]) -> list[Assessment]:
        return await assess(tenant_id, requests)

    return ServiceParts(
        routers=[
            public_router(context.databases, assess, history),
            rules_router(context.databases),
            cases_router(context.databases),
        ],
        internal=[
            parts_route(f"/internal/v1/{ASSESSMENTS_PATH}", answer, item_type=AssessmentRequest, callers={"payment"})
        ],
        background=[counters.stay_connected],
        on_stop=[history.close],
    )
