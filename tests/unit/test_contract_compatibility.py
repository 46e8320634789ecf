"""What breaks a client is found, what does not is let pass; and nothing breaks what was released."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import bezant.contracts
from bezant.cli.contracts import changes_since, last_release
from bezant.contracts.compatibility import breaking_api_changes, breaking_event_changes

DIRECTORY = Path(bezant.contracts.__file__).parent
API: dict[str, Any] = json.loads((DIRECTORY / "openapi.json").read_text())
EVENTS: dict[str, Any] = json.loads((DIRECTORY / "asyncapi.json").read_text())
PAY = ("paths", "/v1/payments", "post")
REQUEST = ("components", "schemas", "PaymentRequest")
ANSWER = ("components", "schemas", "PaymentAnswer")


def at(document: dict[str, Any], *steps: str) -> Any:
    for step in steps:
        document = document[step]
    return document


def test_nothing_breaks_what_was_released() -> None:
    released = last_release()
    assert released is not None
    assert changes_since(released) == []


def test_a_document_is_compatible_with_itself() -> None:
    assert breaking_api_changes(API, API) == []
    assert breaking_event_changes(EVENTS, EVENTS) == []


Change = Callable[[dict[str, Any]], Any]
BREAKING: list[tuple[str, Change]] = [
    ("the operation is gone", lambda d: d["paths"].pop("/v1/payments")),
    ("now payments.make", lambda d: at(d, *PAY).update(operationId="payments.make")),
    ("is new and required", lambda d: at(d, *PAY)["parameters"].append(
        {"in": "query", "name": "x", "required": True, "schema": {"type": "string"}})),
    ("is required now", lambda d: at(d, *PAY)["parameters"][0].update(required=True)),
    ("is gone", lambda d: at(d, "paths", "/v1/payments", "get")["parameters"].pop()),
    ("body.reference: one side requires it", lambda d: at(d, *REQUEST)["required"].append("reference")),
    ("body.reference: one side knows it", lambda d: at(d, *REQUEST, "properties").pop("reference")),
    ("maxLength", lambda d: at(d, *REQUEST, "properties", "reference").update(maxLength=2)),
    ("body.capture", lambda d: at(d, *REQUEST, "properties", "capture")["enum"].remove("manual")),
    ("answer 201.reference: one side requires it", lambda d: at(d, *ANSWER)["required"].remove("reference")),
    ("answer 201.status", lambda d: at(d, *ANSWER, "properties", "status")["enum"].append("dreamt")),
    ("answer 201.reference: the type", lambda d: at(d, *ANSWER, "properties").update(reference={"type": "integer"})),
    ("it may answer 299", lambda d: at(d, *PAY, "responses").update({"299": {"description": ""}})),
    ("not answered as application/json", lambda d: at(d, *PAY, "responses", "201", "content").clear()),
]  # fmt: skip


@pytest.mark.parametrize(("said", "change"), BREAKING)
def test_a_change_that_breaks_clients_is_named(said: str, change: Change) -> None:
    changed = copy.deepcopy(API)
    change(changed)
    assert any(said in line for line in breaking_api_changes(API, changed)), breaking_api_changes(API, changed)


HARMLESS: list[Change] = [
    lambda d: d["paths"].update({"/v1/new": d["paths"]["/v1/payments"]}),
    lambda d: at(d, *REQUEST, "properties").update(color={"type": "string"}),
    lambda d: at(d, *REQUEST, "properties", "reference").update(maxLength=10_000),
    lambda d: at(d, *REQUEST, "properties", "capture")["enum"].append("later"),
    lambda d: at(d, *REQUEST)["required"].remove("amount"),
    lambda d: (
        at(d, *ANSWER, "properties").update(color={"type": "string"}) or at(d, *ANSWER)["required"].append("color")
    ),
    lambda d: at(d, *ANSWER, "properties", "status")["enum"].remove("expired"),
    lambda d: at(d, *PAY).update(description="Other words."),
]


@pytest.mark.parametrize("change", HARMLESS)
def test_an_addition_is_let_pass(change: Change) -> None:
    changed = copy.deepcopy(API)
    change(changed)
    assert breaking_api_changes(API, changed) == []
    if change is not HARMLESS[-1]:
        assert breaking_api_changes(changed, API) != [], "taking it back would break those who use it"


def test_changes_of_events_are_named() -> None:
    name, message = next(iter(EVENTS["components"]["messages"].items()))
    data = at(message, "payload", "allOf")[1]["properties"]["data"]["$ref"].rpartition("/")[2]
    changed = copy.deepcopy(EVENTS)
    field = next(iter(at(changed, "components", "schemas", data, "properties")))
    at(changed, "components", "schemas", data, "properties")[field] = {"type": "boolean"}
    assert any(line.startswith(f"{name}.data.{field}: ") for line in breaking_event_changes(EVENTS, changed))
    gone = copy.deepcopy(EVENTS)
    for channel in gone["channels"].values():
        channel["messages"].pop(name, None)
    assert any(f"events {name} are gone" in line for line in breaking_event_changes(EVENTS, gone))
    assert any("the channel is gone" in line for line in breaking_event_changes(EVENTS, EVENTS | {"channels": {}}))
