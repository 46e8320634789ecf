"""The public ledger API behind the real edge: what it answers, and that bad input is refused and writes nothing."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bezant.foundation.tenancy import TenantDatabases
from bezant.services.transaction.api.public import public_router
from bezant.services.transaction.domain.book import Submitted
from bezant.services.transaction.operations.schedule_expiries import ExpiryHints
from bezant.services.transaction.operations.write_group import Writer

from ..stores.fixtures import no_approvals
from ..stores.http import Api, serving
from .conftest import LedgerDatabase, OneTenantDirectory, Server, transfer

SCOPES = ("ledger:write", "transfers:read")


class Scheduled:
    """Due work that only remembers what was scheduled."""

    def __init__(self) -> None:
        self.hints: list[tuple[uuid.UUID, str, datetime]] = []

    async def schedule(self, tenant_id: uuid.UUID, kind: str, due_at: datetime) -> None:
        self.hints.append((tenant_id, kind, due_at))


@dataclass
class Client:
    """One key of one tenant."""

    api: Api
    key: str
    scheduled: Scheduled

    async def send(
        self, method: str, path: str, body: Any = None, *, raw: bytes | None = None, key: str | None = ""
    ) -> Any:
        """Return (status, document). `key` is the idempotency key: fresh by default, none with None."""
        headers = {"authorization": f"Bearer {self.key}", "content-type": "application/json"}
        if key is not None and method == "POST":
            headers["idempotency-key"] = key or str(uuid.uuid4())
        data = {"data": raw} if raw is not None else {"json": body} if body is not None else {}
        async with self.api.session.request(method, self.api.base_url + path, headers=headers, **data) as response:
            return response.status, await response.json(content_type=None)


@dataclass
class _Stores:
    directory: OneTenantDirectory


@pytest.fixture(scope="module")
async def service(server: Server, databases: TenantDatabases) -> AsyncIterator[tuple[Api, Scheduled]]:
    scheduled = Scheduled()
    writer = Writer(databases, ExpiryHints(scheduled))  # type: ignore[arg-type]
    stores: Any = _Stores(OneTenantDirectory(server))
    async with serving("transaction", [public_router(databases, writer, no_approvals())], stores) as api:
        yield api, scheduled


@pytest.fixture
def client(service: tuple[Api, Scheduled], ledger: LedgerDatabase) -> Client:
    api, scheduled = service
    scheduled.hints.clear()
    return Client(api, api.keys.give(ledger.tenant_id, *SCOPES), scheduled)


def money(amount_minor: Any, currency: Any = "USD") -> dict[str, Any]:
    return {"amount_minor": amount_minor, "currency": currency}


def simple(debit: uuid.UUID, credit: uuid.UUID, amount_minor: Any = 100, **fields: Any) -> dict[str, Any]:
    return {
        "debit_account_id": str(debit),
        "credit_account_id": str(credit),
        "amount": money(amount_minor),
        **fields,
    }


async def funded(ledger: LedgerDatabase) -> tuple[uuid.UUID, uuid.UUID]:
    bank, customer = await ledger.open("settlement"), await ledger.open()
    await ledger.post(transfer(bank, customer, 1000))
    return bank, customer


async def written(ledger: LedgerDatabase) -> list[tuple[Any, ...]]:
    return await ledger.rows(
        "SELECT (SELECT count(*) FROM ledger.transfers), (SELECT count(*) FROM ledger.entries), "
        "(SELECT count(*) FROM ledger.idempotency), (SELECT count(*) FROM ledger.outbox)"
    )


async def test_a_transfer_from_hold_to_reversal(client: Client, ledger: LedgerDatabase) -> None:
    bank, customer = await funded(ledger)
    expiry = datetime.now(UTC) + timedelta(days=1)
    own_id = str(uuid.uuid4())
    status, hold = await client.send(
        "POST", "/v1/transfers", simple(customer, bank, id=own_id, pending=True, expires_at=expiry.isoformat())
    )
    assert (status, hold["id"], hold["status"]) == (201, own_id, "pending")
    assert client.scheduled.hints == [(ledger.tenant_id, "hold_expiry", expiry)]
    status, posted = await client.send("POST", f"/v1/transfers/{own_id}/post", {"amount": money(40)})
    assert (status, posted["kind"], posted["amount"], posted["pending_id"]) == (201, "post", money(40), own_id)
    status, found = await client.send("GET", f"/v1/transfers/{own_id}")
    assert (status, found["status"], found["posted_amount"]) == (200, "posted", money(40))
    assert found["resolved_by"] == posted["id"]
    status, problem = await client.send("POST", f"/v1/transfers/{own_id}/void")
    assert (status, problem["code"]) == (409, "hold_already_posted")
    status, reversal = await client.send("POST", f"/v1/transfers/{posted['id']}/reverse", {"reference": "mistake"})
    assert (status, reversal["kind"], reversal["reference"]) == (201, "reversal", "mistake")
    status, found = await client.send("GET", f"/v1/transfers/{posted['id']}")
    assert (found["status"], found["reversed_by"]) == ("reversed", reversal["id"])
    status, problem = await client.send("POST", f"/v1/transfers/{posted['id']}/reverse")
    assert (status, problem["code"]) == (409, "transfer_already_reversed")
    status, check = await client.send("GET", "/v1/ledger/check")
    assert (status, check["consistent"], check["differences"]) == (200, True, [])


async def test_a_repeated_key_gets_the_original_answer_even_a_refusal(client: Client, ledger: LedgerDatabase) -> None:
    bank, customer = await funded(ledger)
    good, bad = simple(customer, bank, 10), simple(customer, bank, 5000)
    assert await client.send("POST", "/v1/transfers", good, key="good") == await client.send(
        "POST", "/v1/transfers", dict(reversed(good.items())), key="good"
    )
    refused = await client.send("POST", "/v1/transfers", bad, key="bad")
    assert refused[1]["code"] == "insufficient_funds"
    await ledger.post(transfer(bank, customer, 100_000))
    assert await client.send("POST", "/v1/transfers", bad, key="bad") == refused
    status, problem = await client.send("POST", "/v1/transfers", bad, key="good")
    assert (status, problem["code"]) == (422, "idempotency_key_reused")


async def test_the_same_key_at_once_has_one_effect(client: Client, ledger: LedgerDatabase) -> None:
    bank, customer = await funded(ledger)
    answers = await asyncio.gather(
        *(client.send("POST", "/v1/transfers", simple(bank, customer, 7), key="once") for _ in range(12))
    )
    assert all(answer == answers[0] for answer in answers)
    assert (await ledger.balance(customer)).posted_minor == 1007


async def test_many_at_once_are_each_answered_for_themselves(client: Client, ledger: LedgerDatabase) -> None:
    bank, customer = await funded(ledger)
    answers = await asyncio.gather(
        *(client.send("POST", "/v1/transfers", simple(customer, bank, 90)) for _ in range(20))
    )
    assert sorted(status for status, _ in answers) == [201] * 11 + [422] * 9
    assert (await ledger.balance(customer)).posted_minor == 10
    assert (await ledger.check()).consistent


async def test_batches_say_what_became_of_each_part(client: Client, ledger: LedgerDatabase) -> None:
    bank, customer = await funded(ledger)
    transfers = [simple(bank, customer, 5), simple(customer, bank, 5000), simple(customer, uuid.uuid4(), 1)]
    status, problem = await client.send("POST", "/v1/transfers/batch", {"transfers": transfers, "atomic": True})
    assert (status, problem["code"]) == (422, "insufficient_funds")
    assert [part["reason_code"] for part in problem["results"]] == [
        "linked_transfer_refused",
        "insufficient_funds",
        "linked_transfer_refused",
    ]
    status, batch = await client.send("POST", "/v1/transfers/batch", {"transfers": transfers})
    assert status == 201
    assert [part["reason_code"] for part in batch["results"]] == [None, "insufficient_funds", "account_not_found"]
    assert batch["results"][0]["transfer"]["batch_id"] == batch["id"]
    status, same = await client.send("POST", "/v1/transfers/batch", {"transfers": transfers[:1], "atomic": True})
    assert (status, len(same["results"])) == (201, 1)


async def test_lists_page_from_the_latest_without_gaps(client: Client, ledger: LedgerDatabase) -> None:
    bank, customer = await funded(ledger)
    hold = transfer(customer, bank, 10, pending=True)
    await ledger.post(hold, *(transfer(bank, customer, number) for number in range(1, 6)))
    await client.send("POST", f"/v1/transfers/{hold.id}/post")
    stored = [
        str(row[0]) for row in await ledger.rows("SELECT id FROM ledger.transfers ORDER BY created_at DESC, id DESC")
    ]
    for path, wanted in (("/v1/transfers?limit=3", stored), (f"/v1/transfers?account_id={customer}&limit=2", None)):
        seen: list[str] = []
        cursor = None
        while True:
            status, page = await client.send("GET", path + (f"&cursor={cursor}" if cursor else ""))
            assert status == 200
            seen += [item["id"] for item in page["data"]]
            cursor = page["next_cursor"]
            if cursor is None:
                break
        assert len(seen) == len(set(seen))
        assert seen == wanted if wanted else set(seen) == set(stored)


async def test_a_payments_transfer_cannot_be_touched(client: Client, ledger: LedgerDatabase) -> None:
    bank, customer = await funded(ledger)
    hold, done = transfer(customer, bank, 10, pending=True), transfer(customer, bank, 10)
    await ledger.post(Submitted(hold, "payment"), Submitted(done, "payment"))
    for path in (f"{hold.id}/post", f"{hold.id}/void", f"{done.id}/reverse"):
        status, problem = await client.send("POST", f"/v1/transfers/{path}")
        assert (status, problem["code"]) == (409, "transfer_of_payment")


BAD_BODIES: dict[str, tuple[dict[str, Any], str]] = {
    "zero": ({"amount": money(0)}, "invalid_request"),
    "negative": ({"amount": money(-1)}, "invalid_request"),
    "fractional": ({"amount": money(1.5)}, "invalid_request"),
    "a whole number as a fraction": ({"amount": money(1.0)}, "invalid_request"),
    "text": ({"amount": money("1")}, "invalid_request"),
    "true": ({"amount": money(True)}, "invalid_request"),
    "too large": ({"amount": money(2**53)}, "invalid_request"),
    "huge": ({"amount": money(10**400)}, "invalid_request"),
    "unknown currency": ({"amount": money(1, "XXQ")}, "invalid_request"),
    "lower case currency": ({"amount": money(1, "usd")}, "invalid_request"),
    "other currency": ({"amount": money(1, "EUR")}, "currency_mismatch"),
    "no amount": ({"amount": None}, "invalid_request"),
    "unknown field": ({"amonut": 1}, "invalid_request"),
    "unknown account": ({"credit_account_id": str(uuid.uuid4())}, "account_not_found"),
    "malformed account": ({"credit_account_id": "nobody"}, "invalid_request"),
    "malformed id": ({"id": 7}, "invalid_request"),
    "expiry without hold": ({"expires_at": "2199-01-01T00:00:00Z"}, "invalid_request"),
    "expiry in the past": ({"pending": True, "expires_at": "2020-01-01T00:00:00Z"}, "expires_at_invalid"),
    "expiry without zone": ({"pending": True, "expires_at": "2199-01-01T00:00:00"}, "invalid_request"),
    "both forms": ({"legs": [], "currency": "USD"}, "invalid_request"),
    "long reference": ({"reference": "x" * 256}, "invalid_request"),
    "NUL in reference": ({"reference": "a\x00b"}, "invalid_request"),
    "card number": ({"reference": "paid with 4111-1111-1111-1111"}, "card_number_refused"),
    "card number in metadata": ({"metadata": {"note": "4111111111111111"}}, "card_number_refused"),
    "nested metadata": ({"metadata": {"a": {"b": "c"}}}, "invalid_request"),
    "too much metadata": ({"metadata": {str(number): "" for number in range(51)}}, "invalid_request"),
}


@pytest.mark.parametrize("name", BAD_BODIES)
async def test_bad_input_is_refused_with_a_code_and_writes_nothing(
    client: Client, ledger: LedgerDatabase, name: str
) -> None:
    changes, code = BAD_BODIES[name]
    bank, customer = await funded(ledger)
    before = await written(ledger)
    status, problem = await client.send("POST", "/v1/transfers", {**simple(customer, bank), **changes})
    assert 400 <= status < 500
    assert problem["code"] == code
    after = await written(ledger)
    # A refusal by the ledger itself is remembered for its idempotency key, nothing else is.
    assert (after[0][0], after[0][1], after[0][3]) == (before[0][0], before[0][1], before[0][3])
    assert (after == before) == (code in {"invalid_request", "card_number_refused"})


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"null", b"7", b'"x"', b'{"reference":"\\ud800"}', b"\xff\xfe"])
async def test_malformed_bodies_are_refused(client: Client, ledger: LedgerDatabase, raw: bytes) -> None:
    for path in ("/v1/transfers", "/v1/transfers/batch"):
        status, problem = await client.send("POST", path, raw=raw)
        assert (status, problem["code"]) == (400, "invalid_request")
    assert await written(ledger) == [(0, 0, 0, 0)]


@pytest.mark.parametrize(
    "legs",
    [
        [("debit", 10), ("credit", 9)],
        [("debit", 10), ("debit", 10)],
        [("debit", 10)],
        [("debit", 2**53 - 1), ("debit", 2**53 - 1), ("credit", 2**53 - 1), ("credit", 2**53 - 1)],
    ],
)
async def test_legs_that_make_no_transfer_are_refused(
    client: Client, ledger: LedgerDatabase, legs: list[tuple[str, int]]
) -> None:
    accounts = [await ledger.open("settlement") for _ in legs]
    body = {
        "currency": "USD",
        "legs": [
            {"account_id": str(account), "direction": direction, "amount_minor": amount}
            for account, (direction, amount) in zip(accounts, legs, strict=True)
        ],
    }
    status, problem = await client.send("POST", "/v1/transfers", body)
    assert problem["code"] in {"legs_invalid", "invalid_request", "amount_invalid"}
    assert 400 <= status < 500
    assert (await ledger.check()).transfers == 0


WRITES = ["/v1/transfers", "/v1/transfers/batch", "/v1/transfers/{id}/post", "/v1/transfers/{id}/void",
          "/v1/transfers/{id}/reverse"]  # fmt: skip
READS = ["/v1/transfers", "/v1/transfers/{id}", "/v1/ledger/check"]


def body_for(path: str, debit: uuid.UUID, credit: uuid.UUID) -> Any:
    if path.endswith("transfers"):
        return simple(debit, credit)
    return {"transfers": [simple(debit, credit)]} if path.endswith("batch") else {}


@pytest.mark.parametrize("path", WRITES)
async def test_every_write_needs_an_idempotency_key_and_its_scope(
    client: Client, ledger: LedgerDatabase, path: str
) -> None:
    bank, customer = await funded(ledger)
    body = body_for(path, bank, customer)
    path = path.format(id=uuid.uuid4())
    status, problem = await client.send("POST", path, body, key=None)
    assert (status, problem["code"]) == (400, "idempotency_key_missing")
    client.key = client.api.keys.give(ledger.tenant_id, "transfers:read", "accounts:write", "payments:write")
    status, problem = await client.send("POST", path, body)
    assert (status, problem["code"]) == (403, "forbidden")
    client.key = "wrong"
    status, problem = await client.send("POST", path, body)
    assert (status, problem["code"]) == (401, "unauthenticated")


@pytest.mark.parametrize("path", READS)
async def test_every_read_needs_a_key_with_its_scope(client: Client, ledger: LedgerDatabase, path: str) -> None:
    path = path.format(id=uuid.uuid4())
    client.key = client.api.keys.give(ledger.tenant_id, "ledger:write")
    assert (await client.send("GET", path))[0] == 403
    client.key = client.api.keys.give(None, "admin", *SCOPES)
    assert (await client.send("GET", path))[0] == 403
    client.key = "wrong"
    assert (await client.send("GET", path))[0] == 401


@pytest.mark.parametrize("path", WRITES + READS)
async def test_another_tenants_ids_do_not_exist(
    client: Client, ledger: LedgerDatabase, other_ledger: LedgerDatabase, path: str
) -> None:
    bank, customer = await funded(ledger)
    hold = transfer(customer, bank, 10, pending=True)
    await ledger.post(hold)
    before = await written(ledger)
    client.key = client.api.keys.give(other_ledger.tenant_id, *SCOPES)
    method = "POST" if path in WRITES and path != "/v1/transfers" else "GET"
    if "{id}" in path:
        status, problem = await client.send(method, path.format(id=hold.id))
        assert status == 404, problem
    elif method == "POST":
        status, answer = await client.send("POST", path, body_for(path, bank, customer))
        assert [part["reason_code"] for part in answer["results"]] == ["account_not_found"]
    else:
        status, answer = await client.send("GET", f"{path}?account_id={customer}")
        assert (status, answer.get("data", []), answer.get("transfers", 0)) == (200, [], 0)
    status, problem = await client.send("POST", "/v1/transfers", simple(bank, customer))
    assert (status, problem["code"]) == (404, "account_not_found")
    assert await written(ledger) == before


@pytest.mark.parametrize("cursor", ["AAAA", "%00", "nonsense!", "A" * 200, "_" * 32])
async def test_a_cursor_that_nobody_handed_out_is_refused(client: Client, cursor: str) -> None:
    for path in ("/v1/transfers?", f"/v1/transfers?account_id={uuid.uuid4()}&"):
        status, problem = await client.send("GET", f"{path}cursor={cursor}")
        assert (status, problem["code"]) == (400, "invalid_cursor")


async def test_unknown_transfers_are_not_found(client: Client) -> None:
    nobody = uuid.uuid4()
    assert (await client.send("GET", f"/v1/transfers/{nobody}"))[0] == 404
    for action in ("post", "void", "reverse"):
        assert (await client.send("POST", f"/v1/transfers/{nobody}/{action}"))[0] == 404
