"""The code base keeps its own rules, and each rule finds what it is for."""

from pathlib import Path

import pytest

import bezant

from . import lint
from .lint import RULES, Rule, Source, check, sources

ROOT = Path(bezant.__file__).parent.parent
MODULES = sources(ROOT)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_code_keeps_the_rule(rule: Rule) -> None:
    found = [line for source in MODULES for line in check(source, rule)]
    assert not found, "\n".join(found)


def test_everything_is_looked_at() -> None:
    paths = {source.path for source in MODULES}
    assert len(paths) > 200
    assert {"bezant/foundation/service.py", "bezant/services/payment/app.py", "bezant/cli/main.py"} <= paths


def test_the_exceptions_of_the_rules_still_exist() -> None:
    paths = {source.path for source in MODULES}
    of_connections = (*lint.MAY_CONNECT, *lint.MAY_MAKE_SCOPE, *lint.MAY_HOLD_DATABASES)
    for pattern in (*of_connections, *lint.MAY_PRINT, *lint.MAY_BE_LONG):
        assert any(Path(path).match(pattern) for path in paths), f"{pattern} allows nothing any more"


DOC = '"""A module."""\n'
BROKEN = [
    (lint.connections_are_opened_in_their_places, "bezant/services/payment/x.py", text)
    for text in (
        "psycopg.connect(dsn)", "await AsyncConnection.connect(dsn)", "await psycopg.AsyncConnection.connect(dsn)",
        "pool = AsyncConnectionPool(dsn)", "psycopg_pool.ConnectionPool(dsn)", "AsyncConnection[Any].connect(dsn)",
        "def f():\n    with psycopg.Connection.connect(dsn): ...",
    )
] + [
    (lint.tenant_scope_has_one_constructor, "bezant/services/payment/x.py", "TenantTransaction(c, tenant_id=t)"),
    (lint.tenant_scope_has_one_constructor, "bezant/foundation/http/x.py", "tenancy.TenantTransaction(c)"),
    (lint.tenant_scope_has_one_constructor, "bezant/services/audit/x.py", "TenantPool(t, s, p, granted=1)"),
    (lint.tenant_scope_has_one_constructor, "bezant/services/audit/app.py", "TenantDatabases(service='audit')"),
    (lint.modules_say_what_they_hold, "bezant/services/payment/utils.py", DOC),
    (lint.modules_say_what_they_hold, "bezant/foundation/helpers/money.py", DOC),
    (lint.modules_say_what_they_hold, "bezant/common/__init__.py", DOC),
    (lint.modules_are_small, "bezant/x.py", DOC + "x = 1\n" * 400),
    (lint.what_is_public_is_described, "bezant/x.py", "x = 1\n"),
    (lint.what_is_public_is_described, "bezant/x.py", DOC + "def f(): ...\n"),
    (lint.what_is_public_is_described, "bezant/x.py", DOC + "async def f(): ...\n"),
    (lint.what_is_public_is_described, "bezant/x.py", DOC + "class A:\n    x = 1\n"),
    (lint.what_is_public_is_described, "bezant/x.py", DOC + 'class A:\n    """A."""\n    def f(self): ...\n'),
    (lint.nothing_is_printed, "bezant/x.py", "print('x')"),
    (lint.nothing_is_printed, "bezant/x.py", "def f():\n    breakpoint()"),
    (lint.nothing_is_left_to_do, "bezant/x.py", "x = 1  # TODO: later\n"),
    (lint.nothing_is_left_to_do, "bezant/x.py", '"""A module. FIXME"""\n'),
    (lint.exceptions_are_not_swallowed, "bezant/x.py", "try:\n    f()\nexcept Exception:\n    pass\n"),
    (lint.exceptions_are_not_swallowed, "bezant/x.py", "for x in y:\n  try:\n    f()\n  except:\n    continue\n"),
    (lint.exceptions_are_not_swallowed, "bezant/x.py", "with contextlib.suppress(Exception):\n    f()\n"),
    (lint.money_is_never_a_float, "bezant/x.py", "def f(amount_minor: float): ..."),
    (lint.money_is_never_a_float, "bezant/x.py", "fee_minor: Decimal | None = None"),
]  # fmt: skip
KEPT = [
    (lint.connections_are_opened_in_their_places, "bezant/foundation/tenancy/pools.py", "AsyncConnectionPool(x)"),
    (lint.connections_are_opened_in_their_places, "bezant/foundation/events/x.py", "socket.connect(x); self.connect()"),
    (lint.tenant_scope_has_one_constructor, "bezant/foundation/tenancy/databases.py", "TenantTransaction(c)"),
    (lint.tenant_scope_has_one_constructor, "bezant/services/payment/x.py", "def f(tx: TenantTransaction): ..."),
    (lint.modules_say_what_they_hold, "bezant/services/payment/commonality.py", DOC),
    (lint.modules_are_small, "bezant/x.py", "x = 1\n" * 400),
    (lint.what_is_public_is_described, "bezant/x.py", ""),
    (lint.what_is_public_is_described, "bezant/x.py", DOC + "def _f(): ...\nclass _A:\n    def f(self): ...\n"),
    (lint.what_is_public_is_described, "bezant/x.py", DOC + 'def f():\n    """F."""\n    def g(): ...\n'),
    (lint.nothing_is_printed, "bezant/x.py", "console.print('x')"),
    (lint.nothing_is_left_to_do, "bezant/x.py", "todo = 'what is left TODOs'\n"),
    (lint.exceptions_are_not_swallowed, "bezant/x.py", "try:\n    f()\nexcept KeyError:\n    pass\n"),
    (lint.exceptions_are_not_swallowed, "bezant/x.py", "try:\n    f()\nexcept Exception:\n    log.exception('x')\n"),
    (lint.money_is_never_a_float, "bezant/x.py", "def f(amount_minor: int | None, rate: float): ..."),
]


@pytest.mark.parametrize(("rule", "path", "text"), BROKEN, ids=lambda value: getattr(value, "__name__", None))
def test_a_rule_finds_what_breaks_it(rule: Rule, path: str, text: str) -> None:
    (line,) = check(Source(path, text), rule)
    assert line.startswith(f"{path}:")


@pytest.mark.parametrize(("rule", "path", "text"), KEPT, ids=lambda value: getattr(value, "__name__", None))
def test_a_rule_lets_the_rest_be(rule: Rule, path: str, text: str) -> None:
    assert check(Source(path, text), rule) == []


def test_every_rule_has_an_example_of_both_kinds() -> None:
    assert {rule for rule, _, _ in BROKEN} == set(RULES) == {rule for rule, _, _ in KEPT}
