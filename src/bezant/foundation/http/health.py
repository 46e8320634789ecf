"""Probes: `/startupz` has it begun, `/readyz` should it get traffic, `/livez` should it be restarted.

Liveness asks only whether the event loop turns: a dependency that is down is no reason to restart this process.

Readiness asks whether this replica can serve: whether the control database has answered it so recently that it may
still act on the keys and tenants that it knows. A control database that fails over turns nobody unready; a replica that
alone cannot reach it for minutes gives its place up to others. Readiness does not ask for what all replicas share, such
as a tenant's database, the broker, the cache or another service: with any of them away every replica would turn unready
at once, and what can still be answered, for other tenants or with the events kept until the broker is back, would be
answered by nobody.
"""

from collections.abc import Awaitable, Callable

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

ReadinessCheck = Callable[[], Awaitable[str | None]]
"""Returns None when ready, or one sentence that says what is missing."""


class Health:
    """What the probes answer."""

    def __init__(self) -> None:
        self.started = False
        self.draining = False
        self.standby = False
        self.checks: dict[str, ReadinessCheck] = {}

    async def missing(self) -> dict[str, str]:
        """Return what keeps this process from being ready, by check."""
        if self.draining:
            return {"draining": "the process is stopping"}
        if not self.started:
            return {"startup": "the process is starting"}
        missing = {}
        for name, check in self.checks.items():
            reason = await check()
            if reason is not None:
                missing[name] = reason
        return missing


def health_router(health: Health) -> APIRouter:
    """Return the routes of the probes and of the metrics."""
    router = APIRouter(include_in_schema=False)

    @router.get("/livez")
    async def livez() -> dict[str, str]:
        return {"status": "alive"}

    @router.get("/startupz")
    async def startupz(response: Response) -> dict[str, str]:
        response.status_code = 200 if health.started else 503
        return {"status": "started" if health.started else "starting"}

    @router.get("/readyz")
    async def readyz(response: Response) -> dict[str, object]:
        if health.standby:
            # ready to be promoted; that nothing is sent here is the business of whoever routes
            return {"status": "standby"}
        missing = await health.missing()
        response.status_code = 503 if missing else 200
        return {"status": "not ready", "missing": missing} if missing else {"status": "ready"}

    @router.get("/metrics")
    async def metrics() -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return router
