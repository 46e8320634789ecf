"""Four eyes: asking, deciding and doing, on a real control database."""

import asyncio
from typing import Any
from uuid import UUID

import psycopg
import pytest

from bezant.contracts.problems import Forbidden, IdempotencyKeyReused, NotFound, Unavailable
from bezant.foundation.approvals import Approval, Approvals, ApprovalStatus
from bezant.foundation.control.database import ControlDatabase
from bezant.foundation.control.directory import TenantDirectory
from bezant.foundation.identity.api_keys import Caller
from bezant.services.tenant.domain.problems import ApprovalDecidedAlready, ApprovalNotFound, FourEyesNeeded
from bezant.services.tenant.operations.decide_approval import decide_approval, list_approvals, read_approval
from bezant.services.tenant.operations.manage_api_keys import create_api_key, rotate_api_key

from ..foundation.conftest import Control
from .conftest import ADMIN

SCOPES = frozenset({"ledger:write", "approvals:write", "approvals:read", "keys:write"})
APPROVED, REJECTED, WITHDRAWN = ApprovalStatus.APPROVED, ApprovalStatus.REJECTED, ApprovalStatus.WITHDRAWN


@pytest.fixture
async def tenant_id(control: Control) -> UUID:
    made = await control.add_tenant()
    await control.as_superuser(
        'UPDATE control.tenants SET policies = \'{"four_eyes": {"reversals": true}}\' WHERE id = %s', made
    )
    return made


@pytest.fixture
async def approvals(control: Control) -> Approvals:
    owner = await control.open("transaction")
    return Approvals(owner, TenantDirectory(owner))


async def key_of(database: ControlDatabase, tenant_id: UUID, *, by: Caller = ADMIN, scopes: Any = SCOPES) -> Caller:
    key_id, _ = await create_api_key(
        database, by, tenant_id=tenant_id, name="a", scopes=sorted(scopes), expires_at=None
    )
    return Caller(key_id, tenant_id, frozenset(scopes))


async def ask(approvals: Approvals, caller: Caller, key: str | None = None, fingerprint: bytes = b"f") -> Approval:
    return await approvals.ask(
        caller, action="reverse_transfer", subject="t", request={"n": 1}, scope="ledger:write",
        fingerprint=fingerprint, key=key,
    )  # fmt: skip


async def test_what_one_asks_and_another_approves_is_done_once(
    control: Control, database: ControlDatabase, approvals: Approvals, tenant_id: UUID
) -> None:
    asker, approver = await key_of(database, tenant_id), await key_of(database, tenant_id)
    assert await approvals.demanded(tenant_id, "reversals")
    assert not await approvals.demanded(tenant_id, "limit_raises")
    asked = await ask(approvals, asker)
    done: list[UUID] = []

    async def execute(_: UUID, approval: Approval) -> dict[str, Any]:
        done.append(approval.id)
        return {"transfer_id": "x"}

    assert await approvals.execute(tenant_id, {"reverse_transfer": execute}) is None
    assert done == [], "nobody has approved"
    decided = await decide_approval(database, approver, asked.id, APPROVED, note="seen")
    assert (decided.status, decided.decided_by, decided.note) == (APPROVED, approver.actor, "seen")
    assert (await decide_approval(database, approver, asked.id, APPROVED, note="again")).note == "seen"
    hints = await control.as_superuser("SELECT service, kind FROM control.due_work WHERE tenant_id = %s", tenant_id)
    assert hints == [("transaction", "approvals")]
    await approvals.execute(tenant_id, {"reverse_transfer": execute})
    await approvals.execute(tenant_id, {"reverse_transfer": execute})
    assert done == [asked.id]
    finished = await read_approval(database, tenant_id, asked.id)
    assert (finished.status, finished.outcome) == (ApprovalStatus.EXECUTED, {"transfer_id": "x"})
    (row,) = await control.as_superuser(
        "SELECT envelope FROM control.outbox WHERE envelope LIKE %s", "%approval_approved%"
    )
    assert asker.actor in row[0]
    assert f'"actor":"{approver.actor}"' in row[0]


async def test_nobody_approves_what_they_asked_for_by_whatever_key(
    database: ControlDatabase, approvals: Approvals, tenant_id: UUID
) -> None:
    first = await key_of(database, tenant_id)
    child = await key_of(database, tenant_id, by=first)
    grandchild = await key_of(database, tenant_id, by=child)
    rotated = await rotate_api_key(database, first, first.key_id, overlap_seconds=3600, expires_at=None)
    successor = Caller(rotated.key_id, tenant_id, SCOPES)
    sibling = await key_of(database, tenant_id, by=first)
    for asker, approver in (
        (first, first), (first, child), (child, first), (first, grandchild), (grandchild, first),
        (first, successor), (successor, first), (child, successor), (successor, child),
    ):  # fmt: skip
        asked = await ask(approvals, asker)
        with pytest.raises(FourEyesNeeded):
            await decide_approval(database, approver, asked.id, APPROVED, note="")
    # Two keys that a third person made are two people's.
    assert (await decide_approval(database, sibling, (await ask(approvals, child)).id, APPROVED, note="")).decided_by


async def test_who_approves_could_do_it_alone_and_is_a_person_if_the_tenant_wants_that(
    control: Control, database: ControlDatabase, approvals: Approvals, tenant_id: UUID
) -> None:
    asker = await key_of(database, tenant_id)
    asked = await ask(approvals, asker)
    weak = await key_of(database, tenant_id, scopes={"approvals:write"})
    with pytest.raises(Forbidden, match="ledger:write"):
        await decide_approval(database, weak, asked.id, APPROVED, note="")
    stranger = await key_of(database, await control.add_tenant())
    with pytest.raises(ApprovalNotFound):
        await decide_approval(database, stranger, asked.id, APPROVED, note="")
    with pytest.raises(ApprovalNotFound):
        await read_approval(database, stranger.tenant, asked.id)
    assert await list_approvals(database, stranger.tenant, status=None, before=None, limit=10) == []
    await control.as_superuser(
        'UPDATE control.tenants SET policies = \'{"four_eyes": {"people_only": true}}\' WHERE id = %s', tenant_id
    )
    approver = await key_of(database, tenant_id)
    with pytest.raises(FourEyesNeeded, match="sign in"):
        await decide_approval(database, approver, asked.id, APPROVED, note="")
    person = Caller("p" * 12, tenant_id, SCOPES, "operator:0190")
    assert (await decide_approval(database, person, asked.id, APPROVED, note="")).decided_by == "operator:0190"


async def test_rejected_withdrawn_and_expired_approvals_stay_so(
    control: Control, database: ControlDatabase, approvals: Approvals, tenant_id: UUID
) -> None:
    asker, approver = await key_of(database, tenant_id), await key_of(database, tenant_id)
    rejected, withdrawn, expired = [await ask(approvals, asker) for _ in range(3)]
    await decide_approval(database, approver, rejected.id, REJECTED, note="no")
    with pytest.raises(FourEyesNeeded):
        await decide_approval(database, approver, withdrawn.id, WITHDRAWN, note="")
    await decide_approval(database, asker, withdrawn.id, WITHDRAWN, note="")
    await control.as_superuser(
        "ALTER TABLE control.approvals DISABLE TRIGGER USER; "
        f"UPDATE control.approvals SET expires_at = now() WHERE id = '{expired.id}'; "
        "ALTER TABLE control.approvals ENABLE TRIGGER USER"
    )
    for approval in (rejected, withdrawn, expired):
        with pytest.raises(ApprovalDecidedAlready):
            await decide_approval(database, approver, approval.id, APPROVED, note="")

    async def ids(status: ApprovalStatus) -> list[UUID]:
        found = await list_approvals(database, tenant_id, status=status, before=None, limit=10)
        return [approval.id for approval in found]

    assert await ids(REJECTED) == [rejected.id]
    assert await ids(WITHDRAWN) == [withdrawn.id]
    assert await ids(ApprovalStatus.EXPIRED) == [expired.id]
    assert await ids(ApprovalStatus.PENDING) == []


async def test_an_idempotency_key_asks_once(database: ControlDatabase, approvals: Approvals, tenant_id: UUID) -> None:
    asker = await key_of(database, tenant_id)
    asked = await asyncio.gather(*(ask(approvals, asker, key="k") for _ in range(5)))
    assert len({approval.id for approval in asked}) == 1
    with pytest.raises(IdempotencyKeyReused):
        await ask(approvals, asker, key="k", fingerprint=b"other")
    assert (await ask(approvals, asker)).id != (await ask(approvals, asker)).id


async def test_what_cannot_be_done_fails_and_what_cannot_be_done_now_is_tried_again(
    database: ControlDatabase, approvals: Approvals, tenant_id: UUID
) -> None:
    asker, approver = await key_of(database, tenant_id), await key_of(database, tenant_id)
    asked = await ask(approvals, asker)
    await decide_approval(database, approver, asked.id, APPROVED, note="")
    problems: list[Exception] = [Unavailable("away"), NotFound("there is no such transfer")]

    async def execute(*_: object) -> dict[str, Any]:
        raise problems.pop(0)

    assert await approvals.execute(tenant_id, {"reverse_transfer": execute}) is not None
    assert (await read_approval(database, tenant_id, asked.id)).status is APPROVED
    assert await approvals.execute(tenant_id, {"reverse_transfer": execute}) is None
    failed = await read_approval(database, tenant_id, asked.id)
    assert failed.status is ApprovalStatus.FAILED
    assert failed.outcome == {"code": "not_found", "detail": "there is no such transfer"}


async def test_only_the_tenant_service_decides_and_nothing_goes_back(
    control: Control, database: ControlDatabase, approvals: Approvals, tenant_id: UUID
) -> None:
    asked = await ask(approvals, await key_of(database, tenant_id))
    owner = await control.open("transaction")
    for statement in (
        "UPDATE control.approvals SET decided_by = 'x'",
        "UPDATE control.approvals SET request = '{}'",
        "DELETE FROM control.approvals",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            async with owner.transaction() as connection:
                await connection.execute(statement)
    with pytest.raises(psycopg.errors.IntegrityError):
        await owner.execute("UPDATE control.approvals SET status = 'approved'")
    with pytest.raises(psycopg.errors.IntegrityError):
        await database.execute(
            "UPDATE control.approvals SET status = 'approved', decided_by = requested_by, decided_at = now()"
        )
    approver = await key_of(database, tenant_id)
    await decide_approval(database, approver, asked.id, REJECTED, note="")
    with pytest.raises(psycopg.errors.RestrictViolation):
        await database.execute("UPDATE control.approvals SET status = 'approved'")
