"""Rules of this code base that no general linter knows, checked on the syntax trees of `src`.

Each rule yields what it finds as `path:line: sentence`; `test_lint.py` shows that each finds what it is for.
"""

import ast
import functools
import io
import re
import tokenize
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

MAX_LINES = 400
MAY_BE_LONG = ("bezant/verifier/audit_log.py",)
"""What others copy as one file, to run it without the rest."""
NAMELESS = frozenset({"utils", "util", "common", "helpers", "helper", "misc", "shared", "tools"})
UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")

OPENERS = {"connect", "AsyncConnectionPool", "ConnectionPool", "NullConnectionPool", "AsyncNullConnectionPool"}
"""What opens a connection to PostgreSQL."""
MAY_CONNECT = (
    "bezant/foundation/tenancy/pools.py",
    "bezant/foundation/control/database.py",
    "bezant/foundation/control/bootstrap.py",
    "bezant/foundation/control/cluster.py",
    # migrations, as the administrator, before the services of a release start
    "bezant/foundation/control/tenant_databases.py",
    "bezant/services/tenant/provisioning/*.py",
    "bezant/local/*.py",
)
SCOPE = {"TenantTransaction", "TenantPool"}
"""What makes a tenant's scope."""
MAY_MAKE_SCOPE = (
    "bezant/foundation/tenancy/databases.py",
    # writes events to the outbox of the control database, which is no tenant's
    "bezant/services/tenant/sagas/steps.py",
)
MAY_PRINT = ("bezant/local/preparation.py",)
"""A step of the local platform, whose output is its log."""
FRAMEWORK_HOOKS = frozenset({"model_post_init"})
"""Methods that a library calls and describes."""
MAY_HOLD_DATABASES = ("bezant/foundation/service.py", "bezant/cli/contract_documents.py")
"""Where `TenantDatabases` itself is made: one for each process, and one for looking at routes."""


@dataclass(frozen=True)
class Source:
    """One module: its path below `src`, its text and its tree."""

    path: str
    text: str

    @property
    def tree(self) -> ast.Module:
        return _parsed(self.text)

    @property
    def calls(self) -> Iterator[ast.Call]:
        return (node for node in ast.walk(self.tree) if isinstance(node, ast.Call))


@functools.cache
def _parsed(text: str) -> ast.Module:
    return ast.parse(text)


Rule = Callable[[Source], Iterator[tuple[int, str]]]


def _called(call: ast.Call) -> str:
    """The last part of what is called: `connect` for `psycopg.AsyncConnection.connect(...)`."""
    match call.func:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""


def _owner(call: ast.Call) -> str:
    """What stands before the last part: `AsyncConnection` for `psycopg.AsyncConnection.connect(...)`."""
    match call.func:
        case ast.Attribute(value=ast.Name(id=name) | ast.Attribute(attr=name)):
            return name
        case ast.Attribute(value=ast.Subscript(value=ast.Name(id=name) | ast.Attribute(attr=name))):
            return name
    return ""


def _allowed(path: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch(path, pattern) for pattern in patterns)


def connections_are_opened_in_their_places(source: Source) -> Iterator[tuple[int, str]]:
    """PostgreSQL is reached through the pools of tenancy and of the control database alone."""
    if _allowed(source.path, MAY_CONNECT):
        return
    for call in source.calls:
        name, owner = _called(call), _owner(call)
        if (name in OPENERS and name != "connect") or (
            name == "connect" and owner in {"psycopg", "Connection", "AsyncConnection"}
        ):
            yield call.lineno, f"{owner or name} opens a connection here; use TenantDatabases or ControlDatabase"


def tenant_scope_has_one_constructor(source: Source) -> Iterator[tuple[int, str]]:
    """A tenant's scope comes from `TenantDatabases.transaction`, which knows whose credential it used."""
    for call in source.calls:
        name = _called(call)
        if name in SCOPE and not _allowed(source.path, MAY_MAKE_SCOPE):
            yield call.lineno, f"{name} is made here; tenant scope comes from TenantDatabases.transaction"
        if name == "TenantDatabases" and not _allowed(source.path, MAY_HOLD_DATABASES):
            yield call.lineno, "a process has one TenantDatabases, made by foundation.service; take it from the context"


def modules_say_what_they_hold(source: Source) -> Iterator[tuple[int, str]]:
    """No drawer for everything."""
    for part in Path(source.path).with_suffix("").parts:
        if part in NAMELESS:
            yield 1, f"{part} says nothing of what is in it; name the module by its content"


def modules_are_small(source: Source) -> Iterator[tuple[int, str]]:
    """A module that one cannot read in one go is two."""
    lines = source.text.count("\n")
    if lines > MAX_LINES and not _allowed(source.path, MAY_BE_LONG):
        yield 1, f"{lines} lines; split what has more than {MAX_LINES}"


def what_is_public_is_described(source: Source) -> Iterator[tuple[int, str]]:
    """Every module, class and function that others may use says what it is for."""
    if source.text.strip() and ast.get_docstring(source.tree) is None:
        yield 1, "the module has no docstring"
    yield from _undescribed(source.tree.body, inside="")


def _undescribed(body: list[ast.stmt], *, inside: str) -> Iterator[tuple[int, str]]:
    for node in body:
        if not isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if node.name.startswith("_") or node.name in FRAMEWORK_HOOKS:
            continue
        overload = any(isinstance(found, ast.Name) and found.id == "overload" for found in node.decorator_list)
        if ast.get_docstring(node) is None and not overload:
            yield node.lineno, f"{inside}{node.name} has no docstring"
        if isinstance(node, ast.ClassDef):
            yield from _undescribed(node.body, inside=f"{node.name}.")


def nothing_is_printed(source: Source) -> Iterator[tuple[int, str]]:
    """Services log; commands write through their console, which knows `--json`."""
    if _allowed(source.path, MAY_PRINT):
        return
    for call in source.calls:
        if isinstance(call.func, ast.Name) and call.func.id in {"print", "pprint", "breakpoint"}:
            yield call.lineno, f"{call.func.id}() is left here"


def nothing_is_left_to_do(source: Source) -> Iterator[tuple[int, str]]:
    """What is not done stands in an issue."""
    for token in tokenize.generate_tokens(io.StringIO(source.text).readline):
        if token.type in (tokenize.COMMENT, tokenize.STRING) and (found := UNFINISHED.search(token.string)):
            yield token.start[0], f"{found.group()} is left here; open an issue"


def exceptions_are_not_swallowed(source: Source) -> Iterator[tuple[int, str]]:
    """`except Exception: pass`, and the same by `suppress`, hide defects."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.ExceptHandler):
            broad = node.type is None or (isinstance(node.type, ast.Name) and node.type.id.endswith("Exception"))
            if broad and all(isinstance(inner, ast.Pass | ast.Continue) for inner in node.body):
                yield node.lineno, "every exception is swallowed here; catch the one that is meant"
        if isinstance(node, ast.Call) and _called(node) == "suppress":
            for argument in node.args:
                if isinstance(argument, ast.Name) and argument.id in {"Exception", "BaseException"}:
                    yield node.lineno, "every exception is suppressed here; name the one that is meant"


def money_is_never_a_float(source: Source) -> Iterator[tuple[int, str]]:
    """A name that ends in `_minor` holds an integer."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.AnnAssign | ast.arg) and node.annotation is not None:
            target = node.arg if isinstance(node, ast.arg) else getattr(node.target, "id", "")
            if target.endswith("_minor") and re.search(r"\b(float|Decimal)\b", ast.unparse(node.annotation)):
                yield node.lineno, f"{target} is annotated {ast.unparse(node.annotation)}; minor units are integers"


RULES: tuple[Rule, ...] = (
    connections_are_opened_in_their_places,
    tenant_scope_has_one_constructor,
    modules_say_what_they_hold,
    modules_are_small,
    what_is_public_is_described,
    nothing_is_printed,
    nothing_is_left_to_do,
    exceptions_are_not_swallowed,
    money_is_never_a_float,
)


def check(source: Source, rule: Rule) -> list[str]:
    """Return what the rule finds in one module."""
    return [f"{source.path}:{line}: {sentence}" for line, sentence in rule(source)]


def sources(root: Path) -> list[Source]:
    """Return every module below `root`."""
    # what is generated is read in its generator
    written = (path for path in sorted(root.rglob("*.py")) if "generated" not in path.parts)
    return [Source(str(path.relative_to(root)), path.read_text()) for path in written]
