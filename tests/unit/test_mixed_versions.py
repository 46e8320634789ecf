"""Two versions side by side: events and internal calls of the released version are read by today's code, and back.

Every message type of the released documents is made up in its smallest and in its fullest form, with fields that nobody
knows yet put into every object, as a later version would, and decoded by the types that today's code decodes with.
What today's code then writes must be what the released document describes.
"""

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest

import bezant.contracts
from bezant.cli.contract_documents import _parts, internal_document
from bezant.cli.contracts import last_release
from bezant.contracts.compatibility import breaking_internal_changes
from bezant.contracts.event_catalogue import EVENT_CATALOGUE
from bezant.contracts.events import decode_event
from bezant.contracts.fleet import SERVICES
from bezant.contracts.internal.catalogue import OPERATIONS

RELEASED = last_release()
assert RELEASED is not None
EVENTS: dict[str, Any] = json.loads((RELEASED / "asyncapi.json").read_text())
CALLS: dict[str, Any] = json.loads((RELEASED / "internal.json").read_text())
TODAY: dict[str, Any] = json.loads((Path(bezant.contracts.__file__).parent / "internal.json").read_text())
UNKNOWN = "a_field_of_a_later_version"
_UUID = "01890a5d-ac96-774b-bcce-b302099a8057"
_INSTANT = "2026-11-23T20:00:00Z"
"""Also the text of any string: the documents do not tell instants from other strings."""


def _resolved(schema: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
    if "$ref" in schema:
        found: Any = document
        for step in schema["$ref"].removeprefix("#/").split("/"):
            found = found[step]
        return _resolved(found, document)
    merged = {key: value for key, value in schema.items() if key != "allOf"}
    for part in schema.get("allOf", ()):
        inner = _resolved(part, document)
        properties = {**merged.get("properties", {}), **inner.get("properties", {})}
        required = [*merged.get("required", ()), *inner.get("required", ())]
        merged = {**merged, **inner, "properties": properties, "required": required}
    return merged


def _values(schema: dict[str, Any], document: dict[str, Any], *, full: bool, depth: int = 0) -> Iterator[Any]:
    """Yield a value of the schema, or one for each of its alternatives; objects get an unknown field."""
    schema = _resolved(schema, document)
    for several in ("anyOf", "oneOf"):
        for one in schema.get(several, ()):
            yield from _values(one, document, full=full, depth=depth)
        if several in schema:
            return
    if "const" in schema or "enum" in schema:
        yield from [schema["const"]] if "const" in schema else schema["enum"]
        return
    kind = schema.get("type", "object" if "properties" in schema else "null")
    kind = kind[0] if isinstance(kind, list) else kind
    yield _value(kind, schema, document, full=full, depth=depth)


def _value(kind: str, schema: dict[str, Any], document: dict[str, Any], *, full: bool, depth: int) -> Any:
    def inner(part: dict[str, Any]) -> Any:
        return next(_values(part, document, full=full, depth=depth + 1))

    if kind == "object":
        wanted = schema.get("properties", {})
        if isinstance(schema.get("additionalProperties"), dict):  # a map, of which every key is known
            return {"a key": inner(schema["additionalProperties"])} if full else {}
        names = wanted if full and depth < 6 else schema.get("required", ())
        return {name: inner(wanted[name]) for name in names} | {UNKNOWN: {"with": ["anything"]}}
    if kind == "array":
        if "prefixItems" in schema:
            return [inner(part) for part in schema["prefixItems"]]
        return [inner(schema["items"])] if full and isinstance(schema.get("items"), dict) and depth < 6 else []
    text = _UUID if schema.get("format") == "uuid" else _INSTANT
    return {"integer": 7, "number": 7.5, "boolean": True, "null": None, "string": text}[kind]


def _calls() -> Iterator[tuple[str, str, bool]]:
    for path in CALLS["operations"]:
        for part in ("item", "answer"):
            yield from ((path, part, full) for full in (False, True))


@pytest.mark.parametrize(("path", "part", "full"), list(_calls()))
def test_calls_are_understood_by_both_versions(path: str, part: str, full: bool) -> None:
    kind = getattr(OPERATIONS[path], part)
    released = CALLS["operations"][path][part] | {"components": CALLS["components"]}
    seen = 0
    for value in _values(CALLS["operations"][path][part], CALLS, full=full):
        today = msgspec.json.decode(json.dumps(value).encode(), type=kind)
        written = json.loads(msgspec.json.encode(today))
        assert UNKNOWN not in json.dumps(written), "what is not understood is not passed on as if it were"
        jsonschema.validate(written, released)
        seen += 1
    assert seen


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("name", list(EVENTS["components"]["messages"]))
def test_released_events_are_read_by_todays_consumers(name: str, full: bool) -> None:
    event = EVENT_CATALOGUE[name]
    for value in _values(EVENTS["components"]["messages"][name]["payload"], EVENTS, full=full):
        received = decode_event(event.topic, json.dumps(value).encode())
        assert received.type == name
        data = msgspec.convert(received.data, event.data)
        written = value | {"data": json.loads(msgspec.json.encode(data))}
        payload = EVENTS["components"]["messages"][name]["payload"] | {"components": EVENTS["components"]}
        jsonschema.validate(written, payload)


def test_every_internal_route_is_in_the_document() -> None:
    served = {route.path.removeprefix("/internal/v1/") for service in SERVICES for route in _parts(service).internal}
    assert served == set(OPERATIONS)
    assert json.loads(json.dumps(internal_document())) == TODAY, "make openapi"


def test_nothing_breaks_the_calls_of_the_released_version() -> None:
    assert breaking_internal_changes(CALLS, TODAY) == []


Schemas = dict[str, Any]
BREAKING: list[tuple[str, Callable[[Schemas], Any]]] = [
    ("Balance.x", lambda s: (s["Balance"]["properties"].update(x={}), s["Balance"]["required"].append("x"))),
    ("item.source_account_id", lambda s: s["AssessmentRequest"]["required"].remove("source_account_id")),
    ("answer.score", lambda s: s["Assessment"]["properties"].update(score={"type": "string"})),
    ("answer.decision: 'ask'", lambda s: s["Decision"]["enum"].append("ask")),
    ("answer.decision: 'review'", lambda s: s["Decision"]["enum"].remove("review")),
    ("item.legs[][2]", lambda s: s["Leg"]["prefixItems"].__setitem__(2, {"type": "string"})),
    ("minItems", lambda s: s["Leg"].update(minItems=4, prefixItems=[*s["Leg"]["prefixItems"], {"type": "string"}])),
]


@pytest.mark.parametrize(("said", "change"), BREAKING)
def test_a_change_that_one_version_would_not_understand_is_named(said: str, change: Callable[[Schemas], Any]) -> None:
    changed = copy.deepcopy(TODAY)
    change(changed["components"]["schemas"])
    found = breaking_internal_changes(TODAY, changed)
    said = said.replace("Balance.", "answer.")
    assert any(said in line for line in found), found


def test_additions_with_a_default_are_let_pass_and_operations_stay() -> None:
    changed = copy.deepcopy(TODAY)
    changed["components"]["schemas"]["Balance"]["properties"]["x"] = {"type": "string", "default": ""}
    changed["operations"]["ledger/new"] = changed["operations"]["ledger/lookup"]
    assert breaking_internal_changes(TODAY, changed) == []
    assert breaking_internal_changes(changed, TODAY) == ["ledger/new: the operation is gone"]
