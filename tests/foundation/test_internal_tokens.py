"""Tokens between services: each speaks for itself, to one audience, about one tenant, for a minute."""

import time

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bezant.contracts.identifiers import new_id
from bezant.contracts.problems import Forbidden, Unauthenticated
from bezant.foundation.identity.internal_tokens import TokenSigner, TokenVerifier, new_signing_key

from .conftest import Clock

TENANT = new_id()
PAYMENT, FRAUD = new_signing_key(), new_signing_key()
PUBLIC = {"payment": PAYMENT[1], "fraud": FRAUD[1]}
CALLERS = frozenset({"payment"})


@pytest.fixture
def verifier() -> TokenVerifier:
    return TokenVerifier("transaction", PUBLIC)


def test_a_token_tells_who_calls_about_which_tenant(verifier: TokenVerifier) -> None:
    token = TokenSigner("payment", PAYMENT[0]).token("transaction", TENANT)
    assert verifier.verify(token, callers=CALLERS) == ("payment", TENANT)


def test_a_token_for_another_audience_is_refused(verifier: TokenVerifier) -> None:
    token = TokenSigner("payment", PAYMENT[0]).token("fraud", TENANT)
    with pytest.raises(Unauthenticated):
        verifier.verify(token, callers=CALLERS)


def test_a_service_cannot_speak_for_another(verifier: TokenVerifier) -> None:
    forged = TokenSigner("payment", FRAUD[0]).token("transaction", TENANT)
    with pytest.raises(Unauthenticated):
        verifier.verify(forged, callers=CALLERS)


def test_a_caller_that_is_not_expected_is_forbidden_even_when_its_token_is_known(verifier: TokenVerifier) -> None:
    token = TokenSigner("fraud", FRAUD[0]).token("transaction", TENANT)
    assert verifier.verify(token, callers=frozenset({"fraud"}))
    with pytest.raises(Forbidden, match="fraud"):
        verifier.verify(token, callers=CALLERS)


def test_an_expired_token_is_refused_also_when_it_was_verified_before(
    verifier: TokenVerifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    claims = {"iss": "payment", "aud": "transaction", "tenant": str(TENANT)}
    key = TokenSigner("payment", PAYMENT[0])._key
    old = jwt.encode({**claims, "exp": int(time.time()) - 6}, key, algorithm="EdDSA")
    with pytest.raises(Unauthenticated):
        verifier.verify(old, callers=CALLERS)
    fresh = jwt.encode({**claims, "exp": int(time.time()) - 4}, key, algorithm="EdDSA")
    assert verifier.verify(fresh, callers=CALLERS), "within the leeway for clocks that differ"
    monkeypatch.setattr("jwt.api_jwt.datetime", _Later)
    with pytest.raises(Unauthenticated):
        verifier.verify(fresh, callers=CALLERS)


class _Later:
    """The clock of the token library, a minute ahead."""

    @staticmethod
    def now(tz: object = None) -> object:
        from datetime import UTC, datetime, timedelta

        return datetime.now(UTC) + timedelta(seconds=60)


def test_a_token_is_reused_for_half_its_life_and_then_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(time.time())
    monkeypatch.setattr("bezant.foundation.identity.internal_tokens.time", clock)
    signer = TokenSigner("payment", PAYMENT[0])
    first = signer.token("transaction", TENANT)
    clock.now += 29
    assert signer.token("transaction", TENANT) == first
    assert signer.token("fraud", TENANT) != first
    clock.now += 2
    assert signer.token("transaction", TENANT) != first


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "payment", "aud": "transaction", "tenant": str(TENANT)},
        {"iss": "payment", "aud": "transaction", "exp": 2**40},
        {"iss": "payment", "exp": 2**40, "tenant": str(TENANT)},
        {"aud": "transaction", "exp": 2**40, "tenant": str(TENANT)},
        {"iss": "nobody", "aud": "transaction", "exp": 2**40, "tenant": str(TENANT)},
        {"iss": "payment", "aud": "transaction", "exp": 2**40, "tenant": "nonsense"},
        {"iss": "payment", "aud": "transaction", "exp": "soon", "tenant": str(TENANT)},
        {"iss": "payment", "aud": "transaction", "exp": 2**40, "tenant": 7},
    ],
)
def test_a_token_with_claims_missing_or_wrong_is_refused(verifier: TokenVerifier, claims: dict[str, object]) -> None:
    key = TokenSigner("payment", PAYMENT[0])._key
    token = jwt.encode(claims, key, algorithm="EdDSA")
    with pytest.raises(Unauthenticated):
        verifier.verify(token, callers=CALLERS)


def test_only_the_services_own_algorithm_is_accepted(verifier: TokenVerifier) -> None:
    claims = {"iss": "payment", "aud": "transaction", "exp": 2**40, "tenant": str(TENANT)}
    for token in (
        jwt.encode(claims, None, algorithm="none"),
        jwt.encode(claims, PAYMENT[1] * 2, algorithm="HS256"),
        jwt.encode(claims, Ed25519PrivateKey.generate(), algorithm="EdDSA"),
        "", "a.b.c", "é.é.é",
    ):  # fmt: skip
        with pytest.raises(Unauthenticated):
            verifier.verify(token, callers=CALLERS)
