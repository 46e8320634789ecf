"""Routes about rule sets: which one judges, which one does so in shadow, and what another would have done."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, status

from bezant.contracts.card_numbers import refuse_card_numbers
from bezant.foundation.http import page_limit, require
from bezant.foundation.identity.api_keys import Caller
from bezant.foundation.tenancy import TenantDatabases
from bezant.services.fraud.api.backtest_schemas import BacktestIn, BacktestOut, ShadowOut
from bezant.services.fraud.api.rule_schemas import (
    ActivationIn,
    ListChangeIn,
    RulesHistoryOut,
    RulesIn,
    RulesOut,
    RulesVersionOut,
)
from bezant.services.fraud.operations.backtest_rules import backtest_rules
from bezant.services.fraud.operations.change_rules import (
    activate_version,
    change_lists,
    end_shadow,
    list_rulesets,
    read_rules,
    replace_rules,
)
from bezant.services.fraud.operations.read_shadow import read_shadow

Reader = Annotated[Caller, Depends(require("fraud:read"))]
Writer = Annotated[Caller, Depends(require("fraud:write"))]
Version = Annotated[int, Path(ge=1, le=2**31 - 1)]
_USUAL_RANGE = timedelta(days=30)


def rules_router(databases: TenantDatabases) -> APIRouter:
    """Return the routes under /v1/fraud/rules and /v1/fraud/lists."""
    router = APIRouter(prefix="/v1/fraud", tags=["fraud"])
    _active_routes(router, databases)
    _history_routes(router, databases)
    _trial_routes(router, databases)
    return router


def _active_routes(router: APIRouter, databases: TenantDatabases) -> None:
    @router.get("/rules", summary="The rule set that judges now")
    async def get_rules(caller: Reader) -> RulesOut:
        return RulesOut.of(await read_rules(databases, caller.tenant))

    @router.put("/rules", summary="Replace the rule set, or put one beside it in shadow")
    async def put_rules(body: RulesIn, caller: Writer) -> RulesOut:
        """The rule set is compiled and tried on sample payments first; a bad rule is named and changes nothing."""
        refuse_card_numbers(note=body.note)
        record = await replace_rules(
            databases,
            caller.tenant,
            body.ruleset(),
            based_on_version=body.based_on_version,
            note=body.note,
            actor=caller.actor,
            mode=body.mode,
        )
        return RulesOut.of(record)

    @router.post("/lists", summary="Add parties to a list of the active rule set, or remove them")
    async def post_lists(body: ListChangeIn, caller: Writer) -> RulesOut:
        """The rest of the rule set stays; the change is a version of its own."""
        refuse_card_numbers(note=body.note)
        record = await change_lists(
            databases,
            caller.tenant,
            body.list,
            added=body.add.lists(),
            removed=body.remove.lists(),
            note=body.note,
            actor=caller.actor,
        )
        return RulesOut.of(record)


def _history_routes(router: APIRouter, databases: TenantDatabases) -> None:
    @router.get("/rules/versions", summary="The history of rule sets, newest first")
    async def get_versions(
        caller: Reader, limit: page_limit = 50, before: Annotated[int | None, Query(ge=1, le=2**31 - 1)] = None
    ) -> RulesHistoryOut:
        history = await list_rulesets(databases, caller.tenant, before=before, limit=limit + 1)
        page = history[:limit]
        return RulesHistoryOut(
            data=[RulesVersionOut.of(summary) for summary in page],
            next_before=page[-1].version if len(history) > limit else None,
        )

    @router.get("/rules/versions/{version}", summary="One rule set of the history")
    async def get_version(version: Version, caller: Reader) -> RulesOut:
        return RulesOut.of(await read_rules(databases, caller.tenant, version))

    @router.post("/rules/versions/{version}/activate", summary="Let a rule set of the history judge")
    async def post_activation(version: Version, body: ActivationIn, caller: Writer) -> RulesOut:
        """It becomes a new version with the same content. One that was in shadow ends its shadow by this."""
        refuse_card_numbers(note=body.note)
        return RulesOut.of(
            await activate_version(databases, caller.tenant, version, note=body.note, actor=caller.actor)
        )


def _trial_routes(router: APIRouter, databases: TenantDatabases) -> None:
    @router.get("/rules/shadow", summary="The rule set in shadow, and how it did so far")
    async def get_shadow(caller: Reader) -> ShadowOut:
        return ShadowOut.of(await read_shadow(databases, caller.tenant))

    @router.delete("/rules/shadow", summary="End the shadow", status_code=status.HTTP_204_NO_CONTENT)
    async def delete_shadow(caller: Writer) -> None:
        await end_shadow(databases, caller.tenant, actor=caller.actor)

    @router.post("/rules/backtest", summary="What a rule set would have made of past payments")
    async def post_backtest(body: BacktestIn, caller: Reader) -> BacktestOut:
        """The tenant's own payments are judged again by what the rules saw then; nothing is stored or changed."""
        now = datetime.now(UTC)
        report = await backtest_rules(
            databases,
            caller.tenant,
            body.ruleset(),
            since=body.since or now - _USUAL_RANGE,
            before=body.before or now,
            limit=body.limit,
        )
        return BacktestOut.of(report)
