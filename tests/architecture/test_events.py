"""Every event that is published is in the catalogue, and so in the AsyncAPI document."""

import ast
import json
import re
from importlib import resources
from pathlib import Path

import msgspec
import pytest

import bezant
from bezant.contracts import account_events, fraud_events
from bezant.contracts.event_catalogue import EVENT_CATALOGUE
from bezant.contracts.events import BROADCAST_TOPICS, PARTITIONS
from bezant.contracts.ledger_events import EVENT_OF_KIND
from bezant.services.payment.domain.payments import Status

from .lint import sources

SERVICES = sources(Path(bezant.__file__).parent.parent / "bezant" / "services")
ASYNCAPI = json.loads(resources.files("bezant.contracts").joinpath("asyncapi.json").read_text())


def _catalogued(prefix: str) -> set[str]:
    return {name for name in EVENT_CATALOGUE if name.startswith(prefix)}


@pytest.mark.parametrize("name", sorted(EVENT_CATALOGUE))
def test_an_event_is_documented_with_its_topic_and_data(name: str) -> None:
    event = EVENT_CATALOGUE[name]
    assert re.fullmatch(r"[a-z_]+\.[a-z_]+", name)
    assert ASYNCAPI["channels"][event.topic]["messages"][name] == {"$ref": f"#/components/messages/{name}"}
    payload = ASYNCAPI["components"]["messages"][name]["payload"]["allOf"]
    assert payload[1]["properties"]["type"] == {"const": name}
    described = payload[1]["properties"]["data"]["$ref"].rpartition("/")[2]
    assert described == event.data.__name__
    schema = ASYNCAPI["components"]["schemas"][described]
    assert set(schema["properties"]) == {field.encode_name for field in msgspec.structs.fields(event.data)}
    assert schema["description"]


def test_topics_are_those_that_the_broker_has() -> None:
    assert {event.topic for event in EVENT_CATALOGUE.values()} <= set(PARTITIONS)
    assert {EVENT_CATALOGUE[name].topic for name in _catalogued("tenant.")} == set(BROADCAST_TOPICS)


def test_every_outcome_of_a_payment_is_an_event() -> None:
    # refunds are announced as such, whatever the payment's status is then
    settled = set(Status) - {Status.PROCESSING, Status.PARTIALLY_REFUNDED, Status.REFUNDED}
    others = {"payment.refunded", "payment.refund_failed", "payment.rescored"}
    assert _catalogued("payment.") == {f"payment.{status}" for status in settled} | others


def test_every_transfer_is_an_event() -> None:
    assert _catalogued("transfer.") == set(EVENT_OF_KIND.values())


@pytest.mark.parametrize(("module", "prefix"), [(account_events, "account."), (fraud_events, "fraud.")])
def test_every_named_type_is_in_the_catalogue(module: object, prefix: str) -> None:
    named = {value for name, value in vars(module).items() if name.isupper() and isinstance(value, str)}
    assert named == _catalogued(prefix)


def test_every_type_that_the_code_spells_out_is_in_the_catalogue() -> None:
    """Constants of the form `family.what` in the services, for the families that there are."""
    families = {name.partition(".")[0] for name in EVENT_CATALOGUE}
    failpoints = {
        argument.value
        for source in SERVICES
        for call in source.calls
        if isinstance(call.func, ast.Name) and call.func.id == "failpoint"
        for argument in call.args
        if isinstance(argument, ast.Constant)
    }
    spelled = {
        (node.value, source.path)
        for source in SERVICES
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and re.fullmatch(r"[a-z_]+\.[a-z_]+", node.value)
        and node.value.partition(".")[0] in families
        and node.value not in failpoints
    }
    tables = re.compile(r"(fraud|payment|account)\.(rulesets|storage)")
    unknown = {place for place in spelled if place[0] not in EVENT_CATALOGUE and not tables.search(place[0])}
    assert unknown == set()
    assert {name for name, _ in spelled} >= _catalogued("tenant.")
