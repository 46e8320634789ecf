"""The demo's data file, `scenario.json`: tenants, accounts, phases of requests, and what must come of them.

Accounts and payments are named by short references that hold within a tenant; a payment's reference is also
its Idempotency-Key, so that playing the file again changes nothing.
"""

from importlib import resources
from typing import Any

import msgspec


class AccountRow(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An account to be opened."""

    ref: str
    name: str
    type: str
    currency: str
    daily_limit_minor: int | None = None


class PaymentRow(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A payment to be made; `sent` times with the same key; `splits` are (account, amount) pairs."""

    ref: str
    source: str
    destination: str
    amount_minor: int
    currency: str
    reference: str = ""
    capture: str = "automatic"
    splits: list[tuple[str, int]] = []
    context: dict[str, str] = {}
    sent: int = 1


class ActionRow(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something done to an earlier payment: capture, void, refund, or approve and decline for its review case."""

    ref: str
    payment: str
    do: str
    amount_minor: int | None = None


class Phase(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Requests that go out concurrently; the next phase begins when all are answered."""

    name: str
    payments: list[PaymentRow] = []
    actions: list[ActionRow] = []
    batch_size: int = 0
    """0: each payment on its own; otherwise `POST /v1/payments/batch` with this many."""


class Expected(msgspec.Struct, frozen=True, kw_only=True):
    """What must have come of it all. Balances are posted minor units by account."""

    payments: int
    outcomes: dict[str, int]
    refunds: int
    repeated: int
    balances: dict[str, int]


class TenantScenario(msgspec.Struct, frozen=True, kw_only=True):
    """One tenant of the demo."""

    slug: str
    name: str
    story: str
    default_currency: str
    blocked_devices: list[str] = []
    accounts: list[AccountRow]
    phases: list[Phase]
    expected: Expected


class Scenario(msgspec.Struct, frozen=True, kw_only=True):
    """The whole file."""

    tenants: list[TenantScenario]


def load_scenario() -> Scenario:
    """Return the scenario that ships with the project."""
    raw = resources.files("bezant.cli.demo").joinpath("scenario.json").read_bytes()
    return msgspec.json.decode(raw, type=Scenario)


def to_lines(scenario: Scenario) -> str:
    """Return the file's text: JSON with one account, payment or action a line, so that a diff can be read."""
    document: Any = msgspec.to_builtins(scenario)
    return _render(document, 0) + "\n"


def _render(value: Any, depth: int) -> str:
    compact = msgspec.json.encode(value).decode()
    if not isinstance(value, dict | list) or len(compact) <= 240 or _is_row(value):
        return compact
    pad, inner = "  " * depth, "  " * (depth + 1)
    if isinstance(value, list):
        return "[\n" + ",\n".join(inner + _render(item, depth + 1) for item in value) + f"\n{pad}]"
    items = (f'{inner}"{name}": {_render(item, depth + 1)}' for name, item in value.items())
    return "{\n" + ",\n".join(items) + f"\n{pad}}}"


def _is_row(value: Any) -> bool:
    return isinstance(value, dict) and "ref" in value
