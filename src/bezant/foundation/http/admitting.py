"""The gate before the edge: whether a request is taken at all.

It stands before authentication's look-ups, spans and bodies, so that a refusal costs a fraction of what a request does.
Whose a request is comes from the keys that this process knows; requests with other keys, or without one, share one
share until their key has been looked up. Probes, metrics and calls between services do not come here, and a key of the
platform itself is never refused: an administrator gets in when nobody else does.
"""

import time
from collections.abc import Hashable
from typing import Final

import msgspec
from starlette.types import Send

from bezant.contracts.problems import Overloaded, Problem, ShareExceeded
from bezant.foundation.admission import Admission, Permit, Refusal
from bezant.foundation.identity.api_keys import ApiKeys
from bezant.foundation.telemetry.metrics import (
    ADMISSION_IN_FLIGHT,
    ADMISSION_LIMIT,
    ADMISSION_QUEUED,
    ADMISSION_REFUSED,
    ADMISSION_WAIT_SECONDS,
    REQUESTS,
)

REFUSED_HEADER: Final = b"x-bezant-refused"
"""Tells the gateway that an answer is a refusal of this kind, so that it may refuse some requests of the key itself."""
_UNKNOWN: Final = "unknown key"
_RETRY_AFTER_SECONDS: Final = 1
_PROBLEMS: Final[dict[Refusal, Problem]] = {
    Refusal.FULL: Overloaded(
        "this part of the platform works on as much as it can finish in time; nothing was done. Wait and send the same "
        "request again, with the same Idempotency-Key"
    ),
    Refusal.SHARE: ShareExceeded(
        "this part of the platform works on as much as it can finish in time, and others ask for their share of it; "
        "nothing was done. Send fewer requests at once; wait and send the same request again, with the same "
        "Idempotency-Key"
    ),
}
_PROBLEMS[Refusal.WAITED] = _PROBLEMS[Refusal.FULL]


class Pass:
    """A request that was let in."""

    __slots__ = ("_permit",)

    def __init__(self, permit: Permit | None) -> None:
        self._permit = permit

    def leave(self) -> None:
        """Give the room back."""
        if self._permit is not None:
            self._permit.release()


class Refused:
    """A request that was not, and the answer that it gets."""

    def __init__(self, service: str, reason: Refusal) -> None:
        problem = _PROBLEMS[reason]
        self._status = problem.status
        self._body = msgspec.json.encode(problem.document())
        self._headers = [
            (b"content-type", b"application/problem+json"),
            (b"content-length", str(len(self._body)).encode()),
            (b"retry-after", str(_RETRY_AFTER_SECONDS).encode()),
            (REFUSED_HEADER, reason.value.encode()),
        ]
        self._service = service
        self._count = ADMISSION_REFUSED.labels(service=service, reason=reason.value)

    def count(self, method: str, tenant: str) -> None:
        """Count the refusal, as a refusal and as a request that was answered."""
        self._count.inc()
        REQUESTS.labels(
            service=self._service, route="refused", method=method, status=str(self._status), tenant=tenant
        ).inc()

    async def answer(self, send: Send, headers: list[tuple[bytes, bytes]]) -> None:
        """Answer it, with these headers besides its own."""
        await send({"type": "http.response.start", "status": self._status, "headers": [*self._headers, *headers]})
        await send({"type": "http.response.body", "body": self._body})


class Gate:
    """Lets requests of the public API in."""

    def __init__(self, admission: Admission, api_keys: ApiKeys, service: str) -> None:
        self._admission = admission
        self._api_keys = api_keys
        self._refused = {reason: Refused(service, reason) for reason in Refusal}
        self._waits = ADMISSION_WAIT_SECONDS.labels(service=service)
        ADMISSION_LIMIT.labels(service=service).set_function(lambda: admission.limit)
        ADMISSION_IN_FLIGHT.labels(service=service).set_function(lambda: admission.in_flight)
        ADMISSION_QUEUED.labels(service=service).set_function(lambda: admission.waiting)

    async def let_in(self, method: str, headers: dict[bytes, bytes]) -> Pass | Refused:
        """Return a pass, at once or after a short wait, or the refusal."""
        name: Hashable = _UNKNOWN
        authorization = headers.get(b"authorization")
        if authorization is not None:
            caller = self._api_keys.known(authorization.decode("latin-1"))
            if caller is not None:
                if caller.tenant_id is None:
                    return Pass(None)
                name = caller.tenant_id
        length = headers.get(b"content-length", b"")
        # a length that is none is refused later, whatever it counts for here
        units = self._admission.units_of(int(length) if length.isdigit() and len(length) < 18 else 0)
        outcome = self._admission.try_enter(name, units)
        if outcome is None:
            began = time.monotonic()
            outcome = await self._admission.enter(name, units)
            self._waits.observe(time.monotonic() - began)
        if isinstance(outcome, Permit):
            return Pass(outcome)
        refused = self._refused[outcome]
        refused.count(method, "" if name is _UNKNOWN else str(name))
        return refused
