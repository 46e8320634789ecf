"""A version with a fault: run in the place of a service's entry point by the interpreter of the version under test.

`BEZANT_REHEARSED_FAULT` says which. The fault is in what serves, never in what measures: the services' and the
gateway's own metrics see it as they would see any bad release. Needs nothing of the rehearsal, so that it can be run
with the code of another version.
"""

import asyncio
import os
import random
import sys
from typing import Any, Final

from bezant.foundation.http import edge
from bezant.foundation.service import run

SHARE: Final = 0.05
"""How many requests are answered with an error, or payments declined without a reason."""
DELAY_SECONDS: Final = 0.6
CRASH_SHARE: Final = 0.01
"""How many requests end the process."""
_CHOOSER: Final = random.Random()  # noqa: S311  faults, no secrets


def _answers_errors() -> None:
    passes = edge.Edge._pass

    async def faulty(self: edge.Edge, scope: Any, headers: Any, receive: Any, send: Any) -> None:
        if not scope["path"].startswith("/v1/") or _CHOOSER.random() >= SHARE:
            await passes(self, scope, headers, receive, send)
            return
        # half of the errors come when the work is done already: the worse kind for who asked
        if _CHOOSER.random() < 0.5:
            await passes(self, scope, headers, receive, _unheard)
        headers_sent = [(b"content-type", b"application/problem+json")]
        await send({"type": "http.response.start", "status": 500, "headers": headers_sent})
        await send({"type": "http.response.body", "body": b'{"code": "internal_error", "title": "A planted fault"}'})

    edge.Edge._pass = faulty  # type: ignore[method-assign]


async def _unheard(_message: Any) -> None:
    return


def _answers_late() -> None:
    passes = edge.Edge._pass

    async def faulty(self: edge.Edge, scope: Any, headers: Any, receive: Any, send: Any) -> None:
        if scope["path"].startswith("/v1/"):
            await asyncio.sleep(DELAY_SECONDS)
        await passes(self, scope, headers, receive, send)

    edge.Edge._pass = faulty  # type: ignore[method-assign]


def _declines() -> None:
    from bezant.contracts.internal.fraud import Decision  # noqa: PLC0415  of the payment service alone
    from bezant.services.payment.operations.decide import FraudChecks, Verdict  # noqa: PLC0415

    assess = FraudChecks.assess

    async def faulty(self: FraudChecks, tenant_id: Any, payments: Any) -> list[Verdict]:
        verdicts = await assess(self, tenant_id, payments)
        risk = {"decision": "decline", "score": 100, "reasons": ["a planted fault"], "scored": True}
        refused = Verdict(Decision.DECLINE, risk, scored=True)
        return [refused if _CHOOSER.random() < SHARE else verdict for verdict in verdicts]

    FraudChecks.assess = faulty  # type: ignore[method-assign]


def _crashes() -> None:
    passes = edge.Edge._pass

    async def faulty(self: edge.Edge, scope: Any, headers: Any, receive: Any, send: Any) -> None:
        if scope["path"].startswith("/v1/") and _CHOOSER.random() < CRASH_SHARE:
            os._exit(70)
        await passes(self, scope, headers, receive, send)

    edge.Edge._pass = faulty  # type: ignore[method-assign]


FAULTS: Final = {"errors": _answers_errors, "latency": _answers_late, "declines": _declines, "crash": _crashes}
"""What each fault does to the version."""


if __name__ == "__main__":
    FAULTS[os.environ["BEZANT_REHEARSED_FAULT"]]()
    run(sys.argv[1])
