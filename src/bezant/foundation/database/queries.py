"""Named SQL queries, kept in packaged `.sql` files.

A file is a run of blocks: a line `-- name: insert_transfer`, at least one comment line that says what the query
is for, then the SQL with psycopg's `%(name)s` placeholders.
"""

import re
from collections.abc import Mapping
from importlib import resources
from types import MappingProxyType
from typing import LiteralString, TypeAlias

Queries: TypeAlias = Mapping[str, LiteralString]
_NAME = re.compile(r"^-- name: ([a-z0-9_]+)\s*$", re.MULTILINE)


def load_queries(package: str, filename: str) -> Queries:
    """Return the queries of one file by name. Raises `ValueError` on a name without a sentence or used twice."""
    text = resources.files(package).joinpath(filename).read_text()
    parts = _NAME.split(text)
    queries: dict[str, LiteralString] = {}
    for name, body in zip(parts[1::2], parts[2::2], strict=True):
        if not body.lstrip().startswith("-- "):
            raise ValueError(f"{filename}: the query {name} needs a sentence that says what it is for")
        if name in queries:
            raise ValueError(f"{filename}: two queries are called {name}")
        sql = "\n".join(line for line in body.splitlines() if not line.lstrip().startswith("--"))
        # Packaged text is as trusted as code; psycopg asks for literals to keep data out of SQL.
        queries[name] = sql.strip()  # type: ignore[assignment,unused-ignore]
    return MappingProxyType(queries)
