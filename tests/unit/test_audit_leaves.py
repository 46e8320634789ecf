"""Canonical bytes, commitments, tree heads and the verifier."""

import json
import os
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from bezant.contracts.events import ReceivedEvent
from bezant.contracts.identifiers import new_id
from bezant.services.audit.domain.canonical import canonical_bytes
from bezant.services.audit.domain.commitments import (
    COMMITMENT_KEY,
    commit_personal_fields,
    commitment,
)
from bezant.services.audit.domain.leaves import make_leaf
from bezant.services.audit.domain.tree_heads import (
    CheckpointInvalid,
    TreeHead,
    open_checkpoint,
    origin_of,
    sign_tree_head,
    verifier_key,
)
from bezant.verifier.audit_log import committed_at

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(json_values)
def test_canonical_bytes_are_those_of_the_reference_implementation(value: Any) -> None:
    assert canonical_bytes(value) == rfc8785.dumps(value)


def test_keys_are_sorted_by_utf_16_units() -> None:
    # U+1F600 is one code point above U+FB33 and two units below it (the example of RFC 8785 §3.2.3).
    assert canonical_bytes({"\ufb33": 1, "\U0001f600": 2}) == '{"\U0001f600":2,"\ufb33":1}'.encode()


def test_integers_without_a_canonical_number_become_text() -> None:
    assert canonical_bytes({"sum": 2**60}) == b'{"sum":"1152921504606846976"}'


TENANT = UUID("0197a7f0-0000-7000-8000-000000000001")


def event(data: dict[str, Any], event_type: str = "payment.created") -> ReceivedEvent:
    return ReceivedEvent(
        id=new_id(),
        type=event_type,
        topic="payment.events",
        subject="p1",
        tenant_id=TENANT,
        time=datetime(2026, 1, 2, 3, 4, 5, 678, UTC),
        actor="key:abc",
        data=data,
        traceparent=None,
        raw=b"",
    )


def test_personal_fields_leave_only_commitments_in_the_leaf() -> None:
    data = {
        "payment_id": "p1",
        "amount": {"amount_minor": 5, "currency": "USD"},
        "reference": "for Ada",
        "context": {"ip": "203.0.113.9", "device_id": None},
        "metadata": {"name": "Ada", "n": [1, 2]},
    }
    leaf = make_leaf(event(data), lambda: os.urandom(32))
    text = leaf.content.decode()
    assert not any(secret in text for secret in ("Ada", "203.0.113.9"))
    assert {value.pointer for value in leaf.personal_values} == {"/reference", "/context/ip", "/metadata"}
    content = json.loads(text)
    for value in leaf.personal_values:
        assert committed_at(content["data"], value.pointer) == commitment(value.salt, value.value)
    assert content["data"]["amount"] == data["amount"]


def test_an_unlisted_event_type_hides_every_kind_of_personal_field() -> None:
    leaf = make_leaf(event({"ip": "203.0.113.9", "name": "Ada"}, "something.new"), lambda: b"s" * 32)
    assert {value.pointer for value in leaf.personal_values} == {"/ip", "/name"}


def test_equal_values_commit_differently() -> None:
    data = {"a": {"note": "x"}, "b": {"note": "x"}, "c/d": [{"note": "x"}]}
    hidden, taken = commit_personal_fields(data, frozenset({"note"}), lambda: os.urandom(32))
    assert len({hidden["a"]["note"][COMMITMENT_KEY], hidden["b"]["note"][COMMITMENT_KEY]}) == 2
    assert [value.pointer for value in taken] == ["/a/note", "/b/note", "/c~1d/0/note"]
    assert committed_at(hidden, "/c~1d/0/note") is not None
    assert committed_at(hidden, "/a/other") is None


KEY = Ed25519PrivateKey.from_private_bytes(b"k" * 32)


def test_a_checkpoint_opens_with_its_key() -> None:
    moment = datetime(2026, 1, 2, tzinfo=UTC)
    checkpoint = sign_tree_head(TENANT, 42, b"r" * 32, moment, KEY)
    assert open_checkpoint(checkpoint, verifier_key(KEY)) == TreeHead(
        origin_of(TENANT), 42, b"r" * 32, "2026-01-02T00:00:00.000000Z"
    )


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda text: text.replace("\n42\n", "\n43\n"), "does not fit"),
        (lambda text: text.partition("\n\n")[0], "no signature"),
        (lambda text: text.replace("bezant-audit ", "someone-else "), "no signature of key"),
    ],
)
def test_a_changed_checkpoint_is_refused(change: Any, reason: str) -> None:
    checkpoint = sign_tree_head(TENANT, 42, b"r" * 32, datetime.now(UTC), KEY)
    with pytest.raises(CheckpointInvalid, match=reason):
        open_checkpoint(change(checkpoint), verifier_key(KEY))


def test_another_key_does_not_open_a_checkpoint() -> None:
    checkpoint = sign_tree_head(TENANT, 42, b"r" * 32, datetime.now(UTC), KEY)
    other = Ed25519PrivateKey.from_private_bytes(b"o" * 32)
    with pytest.raises(CheckpointInvalid, match="no signature of key"):
        open_checkpoint(checkpoint, verifier_key(other))
    with pytest.raises(CheckpointInvalid, match="damaged"):
        open_checkpoint(checkpoint, verifier_key(KEY).replace("+", "+0", 1)[:20] + verifier_key(KEY)[20:])
