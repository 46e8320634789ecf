"""Whether a migration leaves the code that runs now working, judged from the database's catalogue before and after.

A `pre` migration runs while the old version serves, and the old version may come back. So whatever the old code reads
and writes must still be there, and no write of it may be refused: it does not know new columns, so that these have
their defaults. Whether a new CHECK can refuse such a row is left to PostgreSQL's planner: the rows that violate it are
asked for, from a table with the constraints of before and the defaults of the new columns; the plan has to be empty.

Sources: https://www.postgresql.org/docs/current/catalogs.html and, for the proof, constraint exclusion in
https://www.postgresql.org/docs/current/ddl-partitioning.html#DDL-PARTITIONING-CONSTRAINT-EXCLUSION
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from psycopg import AsyncConnection
from psycopg.sql import SQL, Identifier

from bezant.foundation.database.queries import load_queries

_SQL: Final = load_queries("bezant.foundation.database", "additive.sql")
_SHADOW: Final = "bezant_before"


@dataclass(frozen=True, slots=True)
class Column:
    """A column as old code meets it; `default` is SQL, None where there is none."""

    type: str
    is_required: bool
    default: str | None


@dataclass(frozen=True, slots=True)
class Index:
    """A unique index: its definition without its name, its columns, and whether two nulls are alike in it."""

    definition: str
    columns: frozenset[str]
    nulls_distinct: bool


@dataclass(frozen=True, slots=True)
class Catalogue:
    """What a database offers, of all schemas that are not PostgreSQL's own; tables are named `schema.table`."""

    tables: dict[str, str]
    """Kind of each table, view and sequence."""
    columns: dict[tuple[str, str], Column]
    checks: dict[tuple[str, str], str]
    foreign_keys: dict[tuple[str, str], frozenset[str]]
    """Columns of each foreign key and exclusion constraint, by table and definition."""
    uniques: dict[tuple[str, str], Index]
    triggers: frozenset[tuple[str, str]]
    """Table and event, such as `DELETE`."""
    routines: frozenset[str]
    grants: frozenset[tuple[str, str, str]]
    """Object, role and privilege."""
    labels: frozenset[tuple[str, str]]
    """Type and value of each enumeration."""


async def catalogue(connection: AsyncConnection[Any]) -> Catalogue:
    """Read the catalogue of the connection's database."""

    async def rows(name: str) -> list[Any]:
        return await (await connection.execute(_SQL[name])).fetchall()

    return Catalogue(
        tables=dict(await rows("tables")),
        columns={(table, name): Column(*rest) for table, name, *rest in await rows("columns")},
        checks={(table, name): expression for table, name, expression in await rows("checks")},
        foreign_keys={(table, text): frozenset(columns) for table, text, columns in await rows("foreign_keys")},
        uniques={(table, text): Index(text, frozenset(c), d) for table, text, c, d in await rows("uniques")},
        triggers=frozenset((table, event) for table, event in await rows("triggers")),
        routines=frozenset(signature for (signature,) in await rows("routines")),
        grants=frozenset((thing, role, privilege) for thing, role, privilege in await rows("grants")),
        labels=frozenset((kind, label) for kind, label in await rows("labels")),
    )


async def apply_and_judge(connection: AsyncConnection[Any], sql: str) -> list[str]:
    """Apply a migration and return what code written before it would notice, a sentence each; empty when nothing.

    The connection belongs to a superuser of a database that nobody else uses, and is in autocommit.
    """
    before = await catalogue(connection)
    schema = Identifier(_SHADOW)
    await connection.execute(SQL("CREATE SCHEMA {}").format(schema))
    try:
        for table, kind in before.tables.items():
            if kind in ("r", "p"):
                await connection.execute(
                    SQL("CREATE TABLE {}.{} (LIKE {} INCLUDING CONSTRAINTS)").format(
                        schema, Identifier(table), Identifier(*table.split(".", 1))
                    )
                )
        async with connection.transaction():
            await connection.execute(sql.encode())
        after = await catalogue(connection)
        found = list(_lost(before, after)) + list(_refused(before, after))
        for (table, name), expression in after.checks.items():
            is_new = before.checks.get((table, name)) != expression
            if is_new and table in before.tables and not await _holds(connection, before, after, table, expression):
                found.append(f"{table}: CHECK {name} may refuse a row that the old code writes: {expression}")
        return found
    finally:
        await connection.execute(SQL("DROP SCHEMA {} CASCADE").format(schema))


def _lost(before: Catalogue, after: Catalogue) -> Iterator[str]:
    """Yield what old code may use and no longer finds."""
    for table, kind in before.tables.items():
        if after.tables.get(table) != kind:
            yield f"{table}: it is gone, or another kind of thing"
    for (table, name), column in before.columns.items():
        later = after.columns.get((table, name))
        if table not in after.tables:
            continue
        if later is None:
            yield f"{table}.{name}: the column is gone"
        elif later.type != column.type:
            yield f"{table}.{name}: it was {column.type}, now {later.type}"
    for table, text in before.uniques.keys() - after.uniques.keys():
        if table in after.tables:
            yield f"{table}: nothing makes it unique by {text} any more, which ON CONFLICT may name"
    for signature in before.routines - after.routines:
        yield f"{signature}: the function is gone, or answers otherwise"
    for thing, role, privilege in before.grants - after.grants:
        yield f"{thing}: {role} has lost {privilege}"
    for kind, label in before.labels - after.labels:
        yield f"{kind}: the value {label} is gone"


def _refused(before: Catalogue, after: Catalogue) -> Iterator[str]:
    """Yield what may now refuse a row that old code writes into a table that it knows."""
    for (table, name), column in after.columns.items():
        if table not in before.tables or not column.is_required or column.default is not None:
            continue
        known = before.columns.get((table, name))
        if known is None:
            yield f"{table}.{name}: a new column that is required and has no default"
        elif not known.is_required or known.default is not None:
            yield f"{table}.{name}: it is required now, and old code may leave it out"

    def stays_null(table: str, columns: frozenset[str]) -> bool:
        """Whether one of the columns is new and null for old code: such a row is never compared."""
        return any(
            (table, name) not in before.columns and after.columns[table, name].default is None
            for name in columns
            if (table, name) in after.columns
        )

    for (table, text), index in after.uniques.items():
        is_new = table in before.tables and (table, text) not in before.uniques
        if is_new and not (index.nulls_distinct and stays_null(table, index.columns)):
            yield f"{table}: rows must be unique by {text} now"
    for (table, text), columns in after.foreign_keys.items():
        is_new = table in before.tables and (table, text) not in before.foreign_keys
        if is_new and not stays_null(table, columns):
            yield f"{table}: {text} may refuse a row that the old code writes"
    for table, event in after.triggers - before.triggers:
        if table in before.tables:
            yield f"{table}: a trigger runs at {event} now, where there was none"


async def _holds(
    connection: AsyncConnection[Any], before: Catalogue, after: Catalogue, table: str, expression: str
) -> bool:
    """Whether the planner can prove that no row of the old table violates the expression."""
    selected = [
        SQL("{}").format(Identifier(name))
        if (table, name) in before.columns
        else SQL("({})::{} AS {}").format(SQL(column.default or "NULL"), SQL(column.type), Identifier(name))
        for (owner, name), column in after.columns.items()
        if owner == table
    ]
    question = SQL("EXPLAIN SELECT FROM (SELECT {} FROM {}.{}) AS row_of_before WHERE NOT ({})").format(
        SQL(", ").join(selected),
        Identifier(_SHADOW),
        Identifier(table),
        SQL(expression),
    )
    async with connection.transaction():
        await connection.execute("SET LOCAL constraint_exclusion = on")
        plan = await (await connection.execute(question)).fetchall()
    return any("One-Time Filter: false" in line for (line,) in plan)
