"""The fraud service on real stores: its counters, what judges payments, and its HTTP interface."""

from collections.abc import AsyncIterator

import pytest
from redis.asyncio.cluster import RedisCluster

from bezant.services.fraud.api.case_routes import cases_router
from bezant.services.fraud.api.routes import public_router
from bezant.services.fraud.api.rule_routes import rules_router
from bezant.services.fraud.operations.assess_payments import AssessPayments
from bezant.services.fraud.operations.recount_velocity import VelocityHistory
from bezant.services.fraud.settings import FraudSettings
from bezant.services.fraud.storage.active_rulesets import ActiveRulesets
from bezant.services.fraud.storage.velocity_counters import VelocityCounters

from ..stores.fixtures import Stores
from ..stores.http import Api, serving


@pytest.fixture
def counters(valkey: RedisCluster) -> VelocityCounters:
    return VelocityCounters(valkey, FraudSettings(velocity_timeout_seconds=2.0))


@pytest.fixture
async def history(stores: Stores, counters: VelocityCounters) -> AsyncIterator[VelocityHistory]:
    history = VelocityHistory(stores.databases("fraud"), counters, FraudSettings())
    yield history
    await history.close()


@pytest.fixture
def assess(stores: Stores, counters: VelocityCounters) -> AssessPayments:
    return AssessPayments(stores.databases("fraud"), counters, ActiveRulesets())


@pytest.fixture
async def api(stores: Stores, assess: AssessPayments, history: VelocityHistory) -> AsyncIterator[Api]:
    databases = stores.databases("fraud")
    routers = [public_router(databases, assess, history), rules_router(databases), cases_router(databases)]
    async with serving("fraud", routers, stores) as api:
        yield api
