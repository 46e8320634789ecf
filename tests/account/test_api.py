"""The accounts API behind the real edge: what it answers, bad input, keys, and other tenants."""

import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import pytest

from bezant.services.account.api.routes import accounts_router
from bezant.services.account.ledger import Ledger

from ..stores.fixtures import no_approvals
from ..stores.http import Api, serving
from ..transaction.conftest import LedgerDatabase, OneTenantDirectory, Server, transfer
from .conftest import Accounts, accounts_of

SCOPES = ("accounts:read", "accounts:write")


@dataclass
class Client:
    api: Api
    key: str
    accounts: Accounts

    async def send(
        self, method: str, path: str, body: Any = None, *, raw: bytes | None = None, key: str | None = ""
    ) -> Any:
        headers = {"authorization": f"Bearer {self.key}", "content-type": "application/json"}
        if key is not None:
            headers["idempotency-key"] = key or str(uuid.uuid4())
        data = {"data": raw} if raw is not None else {"json": body} if body is not None else {}
        async with self.api.session.request(method, self.api.base_url + path, headers=headers, **data) as response:
            return response.status, await response.json(content_type=None)

    async def open(self, **fields: Any) -> str:
        body = {"name": "Ada", "currency": "USD", "type": "customer", **fields}
        status, account = await self.send("POST", "/v1/accounts", body)
        assert status == 201, account
        found: str = account["id"]
        return found


@dataclass
class _Stores:
    directory: OneTenantDirectory


@pytest.fixture
async def client(server: Server, ledger: LedgerDatabase) -> AsyncIterator[Client]:
    async with AsyncExitStack() as stack:
        accounts = await stack.enter_async_context(accounts_of(server, ledger))
        port = Ledger(accounts.line)  # type: ignore[arg-type]
        router = accounts_router(accounts.databases, port, accounts.opening, accounts.changing, no_approvals())
        stores: Any = _Stores(OneTenantDirectory(server))
        api = await stack.enter_async_context(serving("account", [router], stores))
        yield Client(api, api.keys.give(ledger.tenant_id, *SCOPES), accounts)


def usd(amount_minor: int) -> dict[str, Any]:
    return {"amount_minor": amount_minor, "currency": "USD"}


async def test_an_account_from_opening_to_closing(client: Client) -> None:
    ledger = client.accounts.ledger
    account, bank = await client.open(metadata={"crm": "7"}), await client.open(type="settlement")
    await ledger.post(transfer(uuid.UUID(bank), uuid.UUID(account), 500))
    hold = transfer(uuid.UUID(account), uuid.UUID(bank), 120, pending=True)
    await ledger.post(hold)
    status, balance = await client.send("GET", f"/v1/accounts/{account}/balance")
    assert status == 200
    assert (balance["posted"], balance["available"], balance["pending"]) == (usd(500), usd(380), usd(120))
    assert (await client.send("POST", f"/v1/accounts/{account}/close"))[1]["code"] == "account_has_holds"
    status, frozen = await client.send("POST", f"/v1/accounts/{account}/freeze")
    assert (status, frozen["status"]) == (200, "frozen")
    assert (await client.send("POST", f"/v1/accounts/{account}/unfreeze"))[1]["status"] == "open"
    status, limited = await client.send("PATCH", f"/v1/accounts/{account}/limits", {"daily_limit_minor": 200})
    assert (status, limited["daily_limit_minor"], limited["overdraft_limit_minor"]) == (200, 200, 0)
    status, limited = await client.send("PATCH", f"/v1/accounts/{account}/limits", {"overdraft_limit_minor": 9})
    assert (limited["daily_limit_minor"], limited["overdraft_limit_minor"]) == (200, 9)
    status, described = await client.send("PATCH", f"/v1/accounts/{account}", {"name": "Ada L."})
    assert (status, described["name"], described["metadata"]) == (200, "Ada L.", {"crm": "7"})
    await ledger.post(transfer(uuid.UUID(account), uuid.UUID(bank), 80))
    status, problem = await client.send("POST", f"/v1/accounts/{account}/close")
    assert (status, problem["code"]) == (409, "account_has_holds")


async def test_a_statement_is_paged_and_its_balances_meet(client: Client) -> None:
    ledger = client.accounts.ledger
    account, bank = await client.open(), await client.open(type="settlement")
    for number in range(1, 8):
        await ledger.post(transfer(uuid.UUID(bank), uuid.UUID(account), number, reference=f"pay {number}"))
        await ledger.post(transfer(uuid.UUID(account), uuid.UUID(bank), 1, pending=True))
    path, cursor, entries, opening = f"/v1/accounts/{account}/statement?limit=3", None, [], 0
    while True:
        status, page = await client.send("GET", path + (f"&cursor={cursor}" if cursor else ""))
        assert status == 200
        assert page["page_opening_balance"] == usd(opening)
        assert (page["opening_balance"], page["closing_balance"]) == (usd(0), usd(28))
        entries += page["entries"]
        opening = page["entries"][-1]["balance_after"]["amount_minor"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert [entry["amount"]["amount_minor"] for entry in entries] == list(range(1, 8))
    middle = entries[3]["created_at"].replace("+", "%2B")
    status, half = await client.send("GET", f"/v1/accounts/{account}/statement?from={middle}")
    assert (half["opening_balance"], half["closing_balance"]) == (usd(6), usd(28))
    assert [entry["reference"] for entry in half["entries"]] == ["pay 4", "pay 5", "pay 6", "pay 7"]
    status, half = await client.send("GET", f"/v1/accounts/{account}/statement?to={middle}")
    assert (half["closing_balance"], len(half["entries"])) == (usd(6), 3)


async def test_a_repeated_key_gets_the_original_answer(client: Client) -> None:
    body = {"name": "Ada", "currency": "USD", "type": "customer"}
    first = await client.send("POST", "/v1/accounts", body, key="same")
    assert await client.send("POST", "/v1/accounts", body, key="same") == first
    status, problem = await client.send("POST", "/v1/accounts", {**body, "name": "Bob"}, key="same")
    assert (status, problem["code"]) == (422, "idempotency_key_reused")


async def test_lists_are_filtered_and_paged(client: Client) -> None:
    made = [await client.open(currency=currency) for currency in ("USD", "JPY", "USD", "USD")]
    await client.send("POST", f"/v1/accounts/{made[0]}/freeze")
    _, page = await client.send("GET", "/v1/accounts?limit=2&currency=USD")
    assert [account["id"] for account in page["data"]] == [made[3], made[2]]
    _, page = await client.send("GET", f"/v1/accounts?limit=2&currency=USD&cursor={page['next_cursor']}")
    assert [account["id"] for account in page["data"]] == [made[0]]
    assert page["next_cursor"] is None
    _, page = await client.send("GET", "/v1/accounts?status=frozen&type=customer")
    assert [account["id"] for account in page["data"]] == [made[0]]


async def test_an_unavailable_ledger_is_said_and_the_same_request_finishes_later(client: Client) -> None:
    body = {"name": "Ada", "currency": "USD", "type": "customer"}
    client.accounts.line.lose_answer = True
    status, problem = await client.send("POST", "/v1/accounts", body, key="same")
    assert (status, problem["code"]) == (503, "dependency_unavailable")
    client.accounts.line.lose_answer = False
    assert (await client.send("POST", "/v1/accounts", body, key="same"))[0] == 201
    assert await client.accounts.rows("SELECT count(*) FROM account.accounts") == [(1,)]


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "no name": ({"name": ""}, "invalid_request"),
    "long name": ({"name": "x" * 201}, "invalid_request"),
    "NUL in name": ({"name": "a\x00"}, "invalid_request"),
    "card number as name": ({"name": "4111 1111 1111 1111"}, "card_number_refused"),
    "card number in metadata": ({"metadata": {"pan": "5500005555555559"}}, "card_number_refused"),
    "unknown currency": ({"currency": "XXQ"}, "invalid_request"),
    "unknown type": ({"type": "gold"}, "invalid_request"),
    "negative overdraft": ({"overdraft_limit_minor": -1}, "invalid_request"),
    "fractional overdraft": ({"overdraft_limit_minor": 0.5}, "invalid_request"),
    "huge overdraft": ({"overdraft_limit_minor": 2**53}, "invalid_request"),
    "huge daily limit": ({"daily_limit_minor": 10**30}, "invalid_request"),
    "overdraft of a merchant": ({"type": "merchant", "overdraft_limit_minor": 1}, "limits_invalid"),
    "unknown field": ({"balance": 1}, "invalid_request"),
    "metadata of numbers": ({"metadata": {"a": 1}}, "invalid_request"),
}


async def test_bad_input_is_refused_with_a_code_and_writes_nothing(client: Client) -> None:
    account = await client.open()
    good = {"name": "Ada", "currency": "USD", "type": "customer"}
    for name, (changes, code) in BAD.items():
        status, problem = await client.send("POST", "/v1/accounts", {**good, **changes})
        assert (400 <= status < 500, problem["code"]) == (True, code), name
    for raw in (b"", b"{", b"[]", b"null", b'{"name":"\\ud800","currency":"USD","type":"customer"}', b"\xff"):
        status, problem = await client.send("POST", "/v1/accounts", raw=raw)
        assert (status, problem["code"]) == (400, "invalid_request"), raw
    status, problem = await client.send("POST", "/v1/accounts", good, key=None)
    assert (status, problem["code"]) == (400, "idempotency_key_missing")
    for body in ({}, {"daily_limit_minor": -1}, {"daily_limit_minor": "1"}, {"limit": 1}):
        assert (await client.send("PATCH", f"/v1/accounts/{account}/limits", body))[0] == 400, body
    for cursor in ("AAAA", "zzz", "_" * 22, "A" * 22):
        status, problem = await client.send("GET", f"/v1/accounts/{account}/statement?cursor={cursor}")
        assert (status, problem["code"]) == (400, "invalid_cursor"), cursor
    assert (await client.send("GET", "/v1/accounts?cursor=x"))[1]["code"] == "invalid_cursor"
    for query in ("limit=0", "limit=201", "limit=x", "status=dead", "currency=XXQ"):
        assert (await client.send("GET", f"/v1/accounts?{query}"))[0] == 400, query
    assert (await client.send("GET", f"/v1/accounts/{account}/statement?from=yesterday"))[0] == 400
    assert await client.accounts.rows("SELECT count(*) FROM account.accounts") == [(1,)]
    assert await client.accounts.rows("SELECT count(*) FROM account.idempotency") == [(1,)]


ROUTES = [
    ("GET", "/v1/accounts/{id}", None),
    ("PATCH", "/v1/accounts/{id}", {"name": "x"}),
    ("GET", "/v1/accounts/{id}/balance", None),
    ("GET", "/v1/accounts/{id}/statement", None),
    ("POST", "/v1/accounts/{id}/freeze", None),
    ("POST", "/v1/accounts/{id}/unfreeze", None),
    ("POST", "/v1/accounts/{id}/close", None),
    ("PATCH", "/v1/accounts/{id}/limits", {"daily_limit_minor": 1}),
]


async def test_unknown_ids_and_wrong_keys_for_every_route(client: Client) -> None:
    account, tenant = await client.open(), client.accounts.tenant_id
    good = client.key
    for method, path, body in ROUTES:
        assert (await client.send(method, path.format(id=uuid.uuid4()), body))[0] == 404
        assert (await client.send(method, path.format(id="nobody"), body))[0] == 400
        client.key = client.api.keys.give(tenant, "accounts:write" if method == "GET" else "accounts:read")
        assert (await client.send(method, path.format(id=account), body))[0] == 403
        client.key = client.api.keys.give(None, "admin", *SCOPES)
        assert (await client.send(method, path.format(id=account), body))[0] == 403
        client.key = "wrong"
        assert (await client.send(method, path.format(id=account), body))[0] == 401
        client.key = good
    assert await client.accounts.events() == ["account.opened"]


async def test_another_tenants_accounts_do_not_exist(client: Client, other_ledger: LedgerDatabase) -> None:
    account = await client.open()
    line = client.accounts.line
    line.ledger = other_ledger
    client.key = client.api.keys.give(other_ledger.tenant_id, *SCOPES)
    for method, path, body in ROUTES:
        assert (await client.send(method, path.format(id=account), body))[0] == 404, path
    assert (await client.send("GET", "/v1/accounts"))[1]["data"] == []
    assert await client.accounts.events() == ["account.opened"]
