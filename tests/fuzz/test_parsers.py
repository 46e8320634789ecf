"""Every parser of what others send, given damaged valid input and plain noise: it reads it, or raises its own error.

The short form runs in `make test`; `make test-faults` searches for minutes.
"""

import base64
import contextlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest
import typer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bezant.cli.pay import amount_minor
from bezant.client import WebhookNotGenuine, verify_webhook
from bezant.contracts.card_numbers import refuse_card_numbers
from bezant.contracts.events import Event, decode_event
from bezant.contracts.identifiers import new_id
from bezant.contracts.problems import CardNumberRefused, InvalidCursor, InvalidRequest, Unprocessable
from bezant.foundation.http.direct import parse
from bezant.foundation.http.pagination import decode_cursor, encode_cursor
from bezant.foundation.idempotency import checked_key, fingerprint
from bezant.services.fraud.domain.compiled_rules import validated
from bezant.services.fraud.domain.models import ModelInvalid, load_model
from bezant.services.fraud.domain.rules import DEFAULT_RULESET, Rule, RuleAction, Ruleset
from bezant.services.notification.domain.filters import check_filters
from bezant.services.notification.domain.targets import check_url
from bezant.services.notification.mail import checked_address
from bezant.services.payment.api.schemas import PaymentBatchRequest, PaymentRequest
from bezant.services.transaction.api.cursors import decode_place, decode_version
from bezant.services.transaction.api.schemas import TransferRequest
from bezant.topology.loading import TopologyInvalid, parse_topology
from bezant.verifier.audit_log import (
    VerificationFailed,
    is_cosigned_by,
    is_signed_by,
    parsed_key,
    read_checkpoint,
    successor_keys,
)

KEY = "auditor+" + "0" * 8 + "+" + base64.b64encode(b"\x01" + b"k" * 32).decode()
NOTE = (
    "origin\n12\n"
    + base64.b64encode(b"r" * 32).decode()
    + "\ntime 2026-11-23T10:00:00Z\n\n— auditor "
    + KEY[17:]
    + "\n"
)
ANY_ID = str(new_id())
ORDER = {
    "source_account_id": str(new_id()), "destination_account_id": str(new_id()),
    "amount": {"amount_minor": 1250, "currency": "USD"}, "context": {"ip": "203.0.113.7"},
    "metadata": {"order": "A-1"}, "splits": [{"account_id": str(new_id()), "amount_minor": 5}],
}  # fmt: skip
ENVELOPE = Event("payment.captured", "payment.events", "s", {"a": [1, {"b": None}]}, "service:payment").envelope(
    new_id(), "payment", None
)
SECRET = "whsec_" + base64.b64encode(b"s" * 24).decode()
MODEL = json.dumps({"format": "bezant-fraud-model/1", "name": "m", "version": "1", "kind": "logistic", "feature_set": 2,
                    "parameters": {"inputs": [], "bias": 0.5}})  # fmt: skip
ODD_YAML = ("a: " + "9" * 5000, "? [a]: b", "a: !!int x", "[" * 3000)
TOPOLOGY = "name: x\nregions:\n  - name: us-east-1\n    zones: [a, b]\n"


def _webhook(signature: str) -> str:
    headers = {"webhook-id": "m", "webhook-timestamp": str(int(time.time())), "webhook-signature": signature}
    return verify_webhook(SECRET, headers, b"{}")


def _webhook_time(moment: str) -> str:
    return verify_webhook(SECRET, {"webhook-id": "m", "webhook-timestamp": moment, "webhook-signature": "v1,x"}, b"{}")


def _rule(expression: str) -> Any:
    rule = Rule(code="r", description="", action=RuleAction.REVIEW, score=1, expression=expression)
    return validated(Ruleset(version=1, rules=(rule,), thresholds=DEFAULT_RULESET.thresholds))


@dataclass(frozen=True)
class Parser:
    read: Callable[[Any], Any]
    raises: tuple[type[Exception], ...]
    seeds: tuple[str, ...]
    is_bytes: bool = False


PARSERS = {
    "cursor": Parser(decode_cursor, (InvalidCursor,), (encode_cursor(new_id()),)),
    "cursor of transfers": Parser(decode_place, (InvalidCursor,), ("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",)),
    "cursor of versions": Parser(decode_version, (InvalidCursor,), ("AAAAAAAAAAE",)),
    "fingerprint": Parser(lambda raw: fingerprint("POST", "/", raw), (), (json.dumps(ORDER),), is_bytes=True),
    "idempotency key": Parser(checked_key, (InvalidRequest,), ("order-1729",)),
    "payment": Parser(lambda raw: parse(PaymentRequest, raw), (InvalidRequest,), (json.dumps(ORDER),), is_bytes=True),
    "payments": Parser(lambda raw: parse(PaymentBatchRequest, raw), (InvalidRequest,),
                       (json.dumps({"payments": [ORDER]}),), is_bytes=True),
    "transfer": Parser(lambda raw: parse(TransferRequest, raw), (InvalidRequest,),
                       (json.dumps({"legs": [{"account_id": ANY_ID, "direction": "debit", "amount_minor": 1}]}),),
                       is_bytes=True),
    "event": Parser(lambda raw: decode_event("t", raw), (msgspec.DecodeError,), (ENVELOPE.decode(),), is_bytes=True),
    "webhook signature": Parser(_webhook, (WebhookNotGenuine,), ("v1,abcd v1,efgh", "v1a,é")),
    "webhook time": Parser(_webhook_time, (WebhookNotGenuine,), ("1795456366",)),
    "verifier key": Parser(lambda text: parsed_key(text, 1), (VerificationFailed,), (KEY,)),
    "checkpoint": Parser(read_checkpoint, (VerificationFailed,), (NOTE,)),
    "signed note": Parser(lambda text: is_signed_by(text, KEY), (VerificationFailed,), (NOTE,)),
    "cosigned note": Parser(lambda text: is_cosigned_by(text, KEY), (VerificationFailed,), (NOTE,)),
    "key rotations": Parser(lambda text: successor_keys(KEY, [text]), (VerificationFailed,),
                            (f"bezant/audit-key-rotation\n{KEY}\n{KEY}\ntime x\n\n— a {KEY[17:]}\n",)),
    "event filter": Parser(lambda text: check_filters([text]), (Unprocessable, InvalidRequest), ("payment.*", "*.a*b")),
    "webhook url": Parser(lambda text: check_url(text, allow_http=False), (Unprocessable, InvalidRequest),
                          ("https://example.com:8443/a?b=c", "https://[::ffff:10.0.0.1]/", "https://127.1/")),
    "mail address": Parser(checked_address, (Unprocessable, InvalidRequest), ("ana@example.com", '"a b"@example.com')),
    "rule": Parser(_rule, (Unprocessable,), ("amount > 1000.0 && source.count_1h > 5", "country in ['BR']")),
    "fraud model": Parser(load_model, (ModelInvalid,), (MODEL,), is_bytes=True),
    "topology": Parser(lambda text: parse_topology(text, source="s"), (TopologyInvalid,), (TOPOLOGY, *ODD_YAML)),
    "amount": Parser(lambda text: amount_minor(text, "USD"), (typer.BadParameter,), ("12.50", "1e3")),
    "card number": Parser(lambda text: refuse_card_numbers(field={text: [text]}), (CardNumberRefused,),
                          ("4111 1111 1111 1111", "4-1-1-1")),
}  # fmt: skip

NOISE = st.text(st.characters(codec="utf-8"), max_size=60)
SPLICES = st.sampled_from(
    [
        "\x00",
        "é",
        "٣",
        "9" * 5000,
        "-",
        "1e999999",
        "[" * 300,
        "{",
        '"',
        "\\ud800",
        "\n\n",
        "NaN",
        "null",
        "=",
        "+",
        "%",
    ]
)


@st.composite
def damaged(draw: st.DrawFn, seeds: tuple[str, ...]) -> str:
    """A seed with pieces cut out, repeated or put in; or noise alone."""
    if draw(st.integers(0, 9)) == 0:
        return draw(NOISE)
    text = draw(st.sampled_from(seeds))
    for _ in range(draw(st.integers(1, 4))):
        start, end = sorted((draw(st.integers(0, len(text))), draw(st.integers(0, len(text)))))
        piece = draw(st.one_of(SPLICES, NOISE, st.just(""), st.just(text[start:end] * 2)))
        text = text[:start] + piece + text[min(end, start + draw(st.integers(0, 8))) :]
    return text


def _search(name: str, data: st.DataObject) -> None:
    parser = PARSERS[name]
    text = data.draw(damaged(parser.seeds))
    value: str | bytes = text
    if parser.is_bytes:
        value = text.encode("utf-8", "surrogatepass")
        if data.draw(st.booleans()):
            position = data.draw(st.integers(0, len(value)))
            value = value[:position] + data.draw(st.binary(max_size=4)) + value[position:]
    with contextlib.suppress(parser.raises):
        parser.read(value)


_QUIET = {"deadline": None, "suppress_health_check": list(HealthCheck)}


@pytest.mark.parametrize("name", PARSERS)
@settings(max_examples=150, derandomize=True, **_QUIET)
@given(data=st.data())
def test_damaged_input_raises_the_parsers_own_error(name: str, data: st.DataObject) -> None:
    _search(name, data)


@pytest.mark.faults
@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", PARSERS)
@settings(max_examples=5000, derandomize=True, **_QUIET)
@given(data=st.data())
def test_a_longer_search_finds_nothing_else(name: str, data: st.DataObject) -> None:
    _search(name, data)


@pytest.mark.parametrize("name", PARSERS)
def test_the_seeds_reach_the_parser(name: str) -> None:
    """A seed is nearly valid: it is read, or refused for what it says and not for its shape."""
    parser = PARSERS[name]
    for seed in parser.seeds:
        value: str | bytes = seed.encode() if parser.is_bytes else seed
        try:
            parser.read(value)
        except parser.raises as refused:
            assert str(refused)
