"""Tenants come, their credentials change, their instances come and go: nobody waits for ever and nobody loses."""

import asyncio
import signal
from pathlib import Path

import psycopg
import pytest

from bezant.client import ApiProblem
from bezant.contracts.fleet import TENANT_SERVICES
from bezant.services.tenant.domain.steps import STEPS, Kind

from .fleet import Fleet, eventually
from .journal import Document, JournallingClient
from .sagas import is_whole, login_roles, nothing_is_left, provisioner_that_may_make_no_roles
from .stage import Stage, answered

pytestmark = [pytest.mark.faults, pytest.mark.timeout(240)]


async def test_an_instance_started_after_the_onboarding_serves_the_tenant(stage: Stage) -> None:
    await stage.fleet.stop("payment-1")
    journal = await stage.tenant()
    await stage.fleet.start("payment-1")
    late = JournallingClient(stage.fleet.url_of("payment-1"))
    paid = await late.pay(journal, journal.bank, journal.customers[0], 100)
    await late.close()
    assert paid.done["status"] == "captured"
    await stage.judge.judge(journal)


async def test_a_frozen_instance_does_not_hold_up_the_activation_for_ever(stage: Stage) -> None:
    fleet = stage.fleet
    await fleet.signal("payment-1", signal.SIGSTOP)
    try:
        answer = await stage.register(stage.slug())
        await stage.tenant_is(answer["id"], "active", within_seconds=60)
        acknowledged = await _instances_of(fleet, answer["id"])
        assert "payment-0" in acknowledged
        assert "payment-1" not in acknowledged
    finally:
        await fleet.signal("payment-1", signal.SIGCONT)
    journal = await stage.furnish(await stage.journal_of(answer))
    await fleet.ready()
    thawed = JournallingClient(fleet.url_of("payment-1"))
    paid = await thawed.pay(journal, journal.bank, journal.customers[0], 100)
    await thawed.close()
    assert paid.done["status"] == "captured"
    await stage.judge.judge(journal)


async def test_a_tenant_is_active_only_when_every_live_instance_has_connected(stage: Stage) -> None:
    live = {
        row[0] for row in await stage.fleet.rows("SELECT instance_id FROM control.instances WHERE service <> 'tenant'")
    }
    answer = await stage.register(stage.slug())
    await stage.tenant_is(answer["id"], "active")
    assert await _instances_of(stage.fleet, answer["id"]) >= live


async def _instances_of(fleet: Fleet, tenant_id: str) -> set[str]:
    query = "SELECT instance_id FROM control.tenant_instances WHERE tenant_id = %s"
    return {row[0] for row in await fleet.rows(query, tenant_id)}


async def test_the_same_request_many_times_at_once_makes_one_tenant(stage: Stage) -> None:
    slug = stage.slug()
    answers = await asyncio.gather(*(stage.register(slug) for _ in range(12)))
    assert len({answer["id"] for answer in answers}) == 1
    assert sum(answer["api_key"] is not None for answer in answers) == 1
    await stage.tenant_is(answers[0]["id"], "active")
    again = await stage.register(slug)
    assert (again["id"], again["api_key"]) == (answers[0]["id"], None)
    with pytest.raises(ApiProblem, match="slug_taken"):
        await stage.register(slug, key=f"another-{slug}")
    assert await stage.fleet.rows("SELECT count(*) FROM control.tenants WHERE slug = %s", slug) == [(1,)]
    await is_whole(stage.fleet, answers[0]["id"])


async def test_requests_for_one_name_under_many_keys_make_one_tenant(stage: Stage) -> None:
    slug = stage.slug()
    outcomes = await asyncio.gather(
        *(stage.register(slug, key=f"{slug}-{n}") for n in range(8)), return_exceptions=True
    )
    made = [outcome for outcome in outcomes if not isinstance(outcome, BaseException)]
    assert len(made) == 1, outcomes
    assert {outcome.code for outcome in outcomes if isinstance(outcome, ApiProblem)} == {"slug_taken"}
    await stage.tenant_is(made[0]["id"], "active")


async def test_a_step_that_the_database_refuses_is_undone(stage: Stage) -> None:
    async with provisioner_that_may_make_no_roles(stage.fleet):
        answer = await stage.register(stage.slug())
        await stage.tenant_is(answer["id"], "failed")
    await _failed_at(stage, answer, "create_roles")


async def test_a_step_that_the_secret_store_refuses_is_undone(stage: Stage) -> None:
    """A directory lies where one secret's file should: the other services' secrets are written, and removed again."""
    fleet = stage.fleet
    restarts = await fleet.restarts()
    fleet.arm("onboarding.before_store_credentials")
    answer = await stage.register(stage.slug())
    await fleet.fired("onboarding.before_store_credentials")
    in_the_way = _directory_in_place_of(fleet, f"bezant/tenants/{answer['id']}/audit")
    await stage.operation_is(answer["id"], "onboarding", "compensating")
    # Undoing goes on until it works, and nothing says that the tenant has failed before that.
    assert await stage.tenant_is(answer["id"], "onboarding") == "onboarding"
    await asyncio.to_thread(in_the_way.rmdir)
    await stage.tenant_is(answer["id"], "failed")
    await _failed_at(stage, answer, "store_credentials")
    await fleet.recovered(restarts)


def _directory_in_place_of(fleet: Fleet, secret: str) -> Path:
    made = Path(fleet.platform.directory.secrets, f"{secret}.enc")
    made.mkdir(parents=True)
    return made


async def test_an_onboarding_that_a_whole_service_does_not_join_is_undone(stage: Stage) -> None:
    await stage.fleet.stop("audit-0")
    try:
        answer = await stage.register(stage.slug())
        await stage.tenant_is(answer["id"], "failed", within_seconds=90)
    finally:
        await stage.fleet.start("audit-0")
    await _failed_at(stage, answer, "await_fleet")
    onboarding = await stage.operation_is(answer["id"], "onboarding", "failed")
    assert "any instance of audit" in onboarding["error"]


async def _failed_at(stage: Stage, answer: Document, step: str) -> None:
    await nothing_is_left(stage.fleet, answer["id"])
    onboarding = await stage.operation_is(answer["id"], "onboarding", "failed")
    assert onboarding["error"].startswith(step)
    begun = STEPS[Kind.ONBOARDING][: STEPS[Kind.ONBOARDING].index(step) + 1]
    assert all(found["status"] in ("compensated", "done", "failed") for found in onboarding["steps"][: len(begun)])
    # The name is free again.
    again = await stage.register(answer["slug"], key=f"again-{answer['slug']}")
    assert again["id"] != answer["id"]
    await stage.tenant_is(again["id"], "active")


async def test_credentials_rotate_while_payments_run_and_none_fails(stage: Stage) -> None:
    fleet = stage.fleet
    journals = [await stage.tenant(), await stage.tenant()]
    rotated = journals[0].tenant_id
    async with stage.traffic(*journals) as traffic:
        await traffic.more(10)
        for _ in range(2):
            before = {service.name: await _credential(fleet, rotated, service.name) for service in TENANT_SERVICES}
            await stage.admin.post(f"/v1/tenants/{rotated}/rotate-credentials")
            await stage.operation_is(rotated, "rotation", "succeeded")
            await traffic.more(10)
            for service, (_, user, password) in before.items():
                assert await _credential(fleet, rotated, service) != before[service]
                with pytest.raises(psycopg.OperationalError):
                    await _log_in(fleet, await fleet.database_of(rotated), user, password)
    failed = [entry.unanswered for journal in journals for entry in journal.entries if entry.unanswered]
    assert not failed, f"{len(failed)} requests met an error: {failed[:3]}"
    await is_whole(fleet, rotated)
    await stage.judge.judge(*journals)


async def test_a_kill_anywhere_in_a_rotation_leaves_it_finished(stage: Stage) -> None:
    """Three tenants rotate at any time, so that each kill cuts off others at steps of their own as well."""
    fleet = stage.fleet
    journals = [await stage.tenant() for _ in range(3)]
    failpoints = [f"rotation.{when}_{step}" for step in STEPS[Kind.ROTATION] for when in ("before", "after")]
    failpoints += ["rotation.password_set", "rotation.event_written"]
    restarts, kills = await fleet.restarts(), len(failpoints)

    async def rotate_until_all_have_fired(tenant_id: str) -> None:
        version = 1
        while failpoints:
            failpoint, version = failpoints.pop(), version + 1
            fleet.arm(failpoint)
            await _begin_rotation(stage, tenant_id, key=f"{tenant_id} {version}")
            await stage.operation_is(tenant_id, "rotation", "succeeded", within_seconds=90)
            await fleet.fired(failpoint)
            query = "SELECT credential_version FROM control.tenants WHERE id = %s"
            assert await fleet.rows(query, tenant_id) == [(version,)]

    async with stage.traffic(*journals, workers=1) as traffic:
        await asyncio.gather(*(rotate_until_all_have_fired(journal.tenant_id) for journal in journals))
        await traffic.more(10)
    await fleet.recovered(restarts + kills - 1)
    for journal in journals:
        assert len(await login_roles(fleet, journal.tenant_id)) == len(TENANT_SERVICES)
        await is_whole(fleet, journal.tenant_id)
    await stage.judge.judge(*journals)


async def _begin_rotation(stage: Stage, tenant_id: str, *, key: str) -> None:
    """Ask for one rotation until it is accepted: whoever is asked may be the one that dies of it."""

    async def begun() -> bool:
        asked = stage.admin.post(f"/v1/tenants/{tenant_id}/rotate-credentials", key=key)
        return await answered(asked) is not None

    await eventually(begun, f"a rotation of {tenant_id} has begun")


async def test_a_kill_anywhere_in_an_offboarding_leaves_nothing(stage: Stage) -> None:
    fleet = stage.fleet
    failpoints = [f"offboarding.{when}_{step}" for step in STEPS[Kind.OFFBOARDING] for when in ("before", "after")]
    failpoints += ["offboarding.event_written", "offboarding.database_dropped"]
    kills = len(failpoints)
    waiting = list(await asyncio.gather(*(stage.register(stage.slug()) for _ in failpoints)))
    answers = list(waiting)
    for answer in answers:
        await stage.tenant_is(answer["id"], "active")
    restarts = await fleet.restarts()

    async def close_until_all_have_fired() -> None:
        while waiting:
            answer, failpoint = waiting.pop(), failpoints.pop()
            fleet.arm(failpoint)
            await _until_accepted(stage, "POST", f"/v1/tenants/{answer['id']}/suspend")
            await _until_accepted(stage, "DELETE", f"/v1/tenants/{answer['id']}")
            await stage.tenant_is(answer["id"], "closed")
            await fleet.fired(failpoint)

    await asyncio.gather(*(close_until_all_have_fired() for _ in range(3)))
    for answer in answers:
        await nothing_is_left(fleet, answer["id"])
    await fleet.recovered(restarts + kills - 1)


async def _until_accepted(stage: Stage, method: str, path: str) -> None:
    async def accepted() -> bool:
        try:
            return await answered(stage.admin.send(method, path, idempotency_key=f"{method} {path}")) is not None
        except ApiProblem as problem:
            # Closing twice is refused: it has been accepted before, by an instance that could not say so.
            return problem.status == 409 and method == "DELETE"

    await eventually(accepted, f"{method} {path} is accepted")


async def test_one_tenants_role_is_refused_by_anothers_database(stage: Stage) -> None:
    fleet = stage.fleet
    ours, theirs = await asyncio.gather(stage.register(stage.slug()), stage.register(stage.slug()))
    for answer in (ours, theirs):
        await stage.tenant_is(answer["id"], "active")
    for service in TENANT_SERVICES:
        _, user, password = await _credential(fleet, ours["id"], service.name)
        await _log_in(fleet, await fleet.database_of(ours["id"]), user, password)
        for other in (await fleet.database_of(theirs["id"]), "bezant_control"):
            with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
                await _log_in(fleet, other, user, password)
        database = await fleet.database_of(ours["id"])
        shares = service.schema in ("account", "ledger", "payment")
        shared = {"idempotency"} if shares else set()
        assert await _reachable_schemas(fleet, database, user, password) == {service.schema} | shared
        # What three services share says whose a key is, and nothing that it made (docs/decisions/0010-keys.md).
        assert await _readable_columns(fleet, database, user, password) == ({"key", "owner"} if shares else set())


async def _readable_columns(fleet: Fleet, database: str, user: str, password: str) -> set[str]:
    """Return the columns of the shared schema that the role can read."""
    query = (
        "SELECT attname FROM pg_attribute a JOIN pg_class c ON c.oid = attrelid "
        "JOIN pg_namespace n ON n.oid = relnamespace WHERE attnum > 0 AND NOT attisdropped AND relkind IN ('r', 'v') "
        "AND nspname = 'idempotency' AND has_schema_privilege(n.oid, 'USAGE') "
        "AND has_column_privilege(c.oid, attname, 'SELECT')"
    )
    async with await _connect(fleet, database, user, password) as connection:
        return {str(row[0]) for row in await (await connection.execute(query)).fetchall()}


async def _reachable_schemas(fleet: Fleet, database: str, user: str, password: str) -> set[str]:
    query = (
        "SELECT nspname FROM pg_namespace WHERE has_schema_privilege(oid, 'USAGE') "
        "AND nspname NOT LIKE 'pg\\_%' AND nspname NOT IN ('information_schema', 'public')"
    )
    async with await _connect(fleet, database, user, password) as connection:
        return {str(row[0]) for row in await (await connection.execute(query)).fetchall()}


async def _credential(fleet: Fleet, tenant_id: str, service: str) -> tuple[str, str, str]:
    """Return (url, user, password) of a service for a tenant."""
    secret = await fleet.secrets.read(f"bezant/tenants/{tenant_id}/{service}")
    prefix = f"tenant_{tenant_id}_db"
    return secret[f"{prefix}_url"], secret[f"{prefix}_user"], secret[f"{prefix}_password"]


async def _connect(
    fleet: Fleet, database: str, user: str, password: str
) -> "psycopg.AsyncConnection[tuple[object, ...]]":
    port = fleet.platform.options.ports.postgres
    return await psycopg.AsyncConnection.connect(
        host="127.0.0.1", port=port, dbname=database, user=user, password=password, connect_timeout=5
    )


async def _log_in(fleet: Fleet, database: str, user: str, password: str) -> None:
    async with await _connect(fleet, database, user, password) as connection:
        await connection.execute("SELECT 1")
