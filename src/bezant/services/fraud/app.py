"""Wiring of the fraud service."""

from uuid import UUID

from bezant.contracts.internal.fraud import ASSESSMENTS_PATH, Assessment, AssessmentRequest
from bezant.foundation.internal_calls import parts_router
from bezant.foundation.service import ServiceContext, ServiceParts
from bezant.services.fraud.api.routes import public_router
from bezant.services.fraud.operations.assess_payments import AssessPayments
from bezant.services.fraud.settings import FraudSettings
from bezant.services.fraud.storage.active_rulesets import ActiveRulesets
from bezant.services.fraud.storage.velocity_counters import VelocityCounters


def build(context: ServiceContext) -> ServiceParts:
    """Return the service's parts."""
    counters = VelocityCounters(context.valkey, FraudSettings())
    assess = AssessPayments(context.databases, counters, ActiveRulesets())

    async def answer(tenant_id: UUID, _: str, requests: list[AssessmentRequest]) -> list[Assessment]:
        return await assess(tenant_id, requests)

    return ServiceParts(
        routers=[
            public_router(context.databases, assess),
            parts_router(f"/internal/v1/{ASSESSMENTS_PATH}", answer, item_type=AssessmentRequest, callers={"payment"}),
        ]
    )
