"""The record of a canary's verdict: an administrative act, which stays (`GET /v1/administrative-acts`)."""

from typing import Any, Final

from bezant.client import BezantClient
from bezant.foundation.control.database import ControlDatabase
from bezant.foundation.secrets import open_secret_store
from bezant.local.administration import settings_of
from bezant.rehearsal.canary.attempt import Attempt
from bezant.rehearsal.fleet import Fleet
from bezant.rehearsal.versions import Version
from bezant.services.tenant.storage.acts import record_act

ACT: Final = "platform.canary_judged"
ACTOR: Final = "bezant rehearse canary"


async def write(fleet: Fleet, version: Version, attempt: Attempt) -> str:
    """Write down who was judged, by which query and samples, when, and with what verdict; return the act's id.

    Raises `ControlUnavailable`, `SecretMissing`.
    """
    settings = settings_of(fleet.platform.directory.root)
    control = await ControlDatabase.open(service="tenant", settings=settings, secrets=open_secret_store(settings))
    try:
        async with control.transaction() as connection:
            recorded = await record_act(
                connection,
                ACT,
                actor=ACTOR,
                subject=f"{fleet.service} {version.label}",
                verdict=attempt.verdict,
                origin=version.origin,
                steps=[{"weight_percent": weight, "replicas": pods} for _, weight, pods in attempt.steps],
                decided_by=_decisive(attempt),
                last_answers=_last_answers(attempt),
            )
    finally:
        await control.close()
    return str(recorded)


async def read(url: str, admin_key: str) -> dict[str, str]:
    """Return the verdicts that are on record, by the act's id, as an administrator is answered.

    Raises `ApiProblem`, `aiohttp.ClientError`.
    """
    async with BezantClient(url, admin_key) as admin:
        return {
            act["id"]: act["details"]["verdict"]
            async for act in admin.pages("/v1/administrative-acts")
            if act["act"] == ACT
        }


def _decisive(attempt: Attempt) -> dict[str, Any] | None:
    reason = attempt.reason
    if reason is None:
        return None
    return {
        "metric": reason.question.name,
        "query": reason.question.query,
        "condition": reason.question.condition.text,
        "answer": list(reason.values),
        "model_seconds": round(reason.at_seconds, 1),
    }


def _last_answers(attempt: Attempt) -> dict[str, Any]:
    """Return the last answer to each question, with its query: the samples among them."""
    return {
        one.question.name: {
            "query": one.question.query,
            "condition": one.question.condition.text,
            "answer": list(one.values),
            "model_seconds": round(one.at_seconds, 1),
        }
        for one in attempt.judgements
    }
