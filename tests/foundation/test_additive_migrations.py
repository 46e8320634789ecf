"""Old code runs on the new schema: every `pre` migration that ships is judged by the catalogue of a real database."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from bezant.foundation.database.additive import apply_and_judge
from bezant.foundation.database.migrations import Migration, control_migrations, tenant_migrations

from ..stores.fixtures import PostgresServer, Secrets

Connection = psycopg.AsyncConnection[tuple[Any, ...]]
BASE = """
CREATE SCHEMA shop;
CREATE TYPE shop.mood AS ENUM ('calm', 'cross');
CREATE TABLE shop.customers (id uuid PRIMARY KEY);
CREATE TABLE shop.orders (
  id uuid PRIMARY KEY,
  customer_id uuid NOT NULL REFERENCES shop.customers,
  status text NOT NULL CHECK (status IN ('open', 'paid')),
  amount_minor bigint NOT NULL,
  placed_at timestamptz NOT NULL DEFAULT now(),
  note text,
  code text UNIQUE
);
CREATE VIEW shop.paid AS SELECT id FROM shop.orders WHERE status = 'paid';
CREATE FUNCTION shop.double(n bigint) RETURNS bigint LANGUAGE sql AS 'SELECT 2 * n';
CREATE FUNCTION shop.refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''no''; END';
GRANT USAGE ON SCHEMA shop TO pg_monitor;
GRANT SELECT, INSERT ON shop.orders TO pg_monitor;
"""


@pytest.fixture
async def database(postgres_server: PostgresServer, prepared: Secrets) -> AsyncIterator[Connection]:
    """An empty database on a server that has the platform's roles."""
    name = f"additive_{uuid4().hex}"
    async with await psycopg.AsyncConnection.connect(postgres_server.dsn("postgres"), autocommit=True) as admin:
        await admin.execute(f"CREATE DATABASE {name}")  # type: ignore[arg-type]
        async with await psycopg.AsyncConnection.connect(postgres_server.dsn(name), autocommit=True) as connection:
            yield connection
        await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")  # type: ignore[arg-type]


@pytest.mark.parametrize("migrations", [tenant_migrations(), control_migrations()], ids=["tenant", "control"])
async def test_every_migration_that_ships_leaves_the_code_of_before_working(
    database: Connection, migrations: list[Migration]
) -> None:
    for migration in migrations:
        found = await apply_and_judge(database, migration.sql)
        assert "_post_" in migration.name or found == [], f"{migration.owner}/{migration.name}"


HARMLESS = [
    "CREATE TABLE shop.refunds (id uuid PRIMARY KEY, order_id uuid NOT NULL REFERENCES shop.orders)",
    "ALTER TABLE shop.orders ADD COLUMN channel text",
    "ALTER TABLE shop.orders ADD COLUMN channel text NOT NULL DEFAULT 'web' CHECK (channel IN ('web', 'app'))",
    "ALTER TABLE shop.orders ADD COLUMN paid_by uuid REFERENCES shop.customers",
    "ALTER TABLE shop.orders ADD COLUMN external_id text UNIQUE",
    "ALTER TABLE shop.orders ADD COLUMN kind text NOT NULL DEFAULT 'sale', "
    "ADD CHECK (kind = 'sale' OR note IS NOT NULL)",
    "ALTER TABLE shop.orders DROP CONSTRAINT orders_status_check, "
    "ADD CONSTRAINT orders_status_check CHECK (status IN ('open', 'paid', 'sent'))",
    "ALTER TABLE shop.orders ALTER COLUMN note SET DEFAULT ''",
    "ALTER TABLE shop.orders ALTER COLUMN amount_minor DROP NOT NULL",
    "CREATE INDEX ON shop.orders (placed_at)",
    "CREATE FUNCTION shop.treble(n bigint) RETURNS bigint LANGUAGE sql AS 'SELECT 3 * n'",
    "CREATE OR REPLACE FUNCTION shop.double(n bigint) RETURNS bigint LANGUAGE sql AS 'SELECT n + n'",
    "ALTER TYPE shop.mood ADD VALUE 'merry'",
    "GRANT UPDATE ON shop.orders TO pg_monitor",
]


@pytest.mark.parametrize("sql", HARMLESS)
async def test_what_old_code_does_not_notice_is_let_pass(database: Connection, sql: str) -> None:
    await database.execute(BASE.encode())
    assert await apply_and_judge(database, sql) == []


BREAKING = [
    ("DROP TABLE shop.orders CASCADE", "shop.orders: it is gone"),
    ("DROP VIEW shop.paid", "shop.paid: it is gone"),
    ("ALTER TABLE shop.orders RENAME TO purchases", "shop.orders: it is gone"),
    ("ALTER TABLE shop.orders DROP COLUMN note", "note: the column is gone"),
    ("ALTER TABLE shop.orders RENAME COLUMN note TO remark", "note: the column is gone"),
    ("ALTER TABLE shop.orders ALTER COLUMN amount_minor TYPE numeric", "it was bigint, now numeric"),
    ("ALTER TABLE shop.orders ALTER COLUMN note SET NOT NULL", "note: it is required now"),
    ("ALTER TABLE shop.orders ALTER COLUMN placed_at DROP DEFAULT", "placed_at: it is required now"),
    ("ALTER TABLE shop.orders ADD COLUMN channel text NOT NULL", "channel: a new column that is required"),
    ("ALTER TABLE shop.orders ADD CHECK (amount_minor > 0)", "CHECK orders_amount_minor_check may refuse"),
    ("ALTER TABLE shop.orders ADD COLUMN kind text, ADD CHECK (kind IS NOT NULL OR note = '')", "may refuse"),
    ("ALTER TABLE shop.orders DROP CONSTRAINT orders_status_check, ADD CONSTRAINT orders_status_check "
     "CHECK (status IN ('open', 'sent'))", "CHECK orders_status_check may refuse"),
    ("ALTER TABLE shop.orders DROP CONSTRAINT orders_code_key", "nothing makes it unique by btree (code)"),
    ("CREATE UNIQUE INDEX ON shop.orders (customer_id)", "must be unique by btree (customer_id)"),
    ("CREATE UNIQUE INDEX ON shop.orders (placed_at) WHERE note IS NULL", "must be unique"),
    ("ALTER TABLE shop.orders ADD COLUMN x text, ADD UNIQUE NULLS NOT DISTINCT (x)", "must be unique"),
    ("ALTER TABLE shop.orders ADD FOREIGN KEY (id) REFERENCES shop.customers", "FOREIGN KEY (id)"),
    ("CREATE TRIGGER t BEFORE UPDATE ON shop.orders EXECUTE FUNCTION shop.refuse()", "runs at UPDATE now"),
    ("DROP FUNCTION shop.double", "shop.double(bigint) returns bigint: the function is gone"),
    ("DROP FUNCTION shop.double; CREATE FUNCTION shop.double(n bigint) RETURNS text LANGUAGE sql AS 'SELECT ''2'''",
     "the function is gone, or answers otherwise"),
    ("REVOKE INSERT ON shop.orders FROM pg_monitor", "pg_monitor has lost INSERT"),
    ("REVOKE USAGE ON SCHEMA shop FROM pg_monitor", "pg_monitor has lost USAGE"),
    ("ALTER TYPE shop.mood RENAME VALUE 'cross' TO 'angry'", "the value cross is gone"),
]  # fmt: skip


@pytest.mark.parametrize(("sql", "said"), BREAKING)
async def test_what_old_code_would_notice_is_named(database: Connection, sql: str, said: str) -> None:
    await database.execute(BASE.encode())
    found = await apply_and_judge(database, sql)
    assert any(said in line for line in found), found
