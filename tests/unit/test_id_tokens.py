"""ID tokens that hold and every kind that does not (OpenID Connect Core 1.0 §3.1.3.7)."""

import base64
import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from bezant.services.tenant.domain.id_tokens import Identity, UnknownKey, validated
from bezant.services.tenant.domain.problems import SignInRefused

ISSUER, CLIENT, NONCE = "https://idp.example", "bezant", "n-0S6_WzA2Mj"
NOW = datetime(2030, 1, 1, tzinfo=UTC)
RSA, OTHER = (rsa.generate_private_key(65537, 2048) for _ in range(2))
EC, ED = ec.generate_private_key(ec.SECP256R1()), ed25519.Ed25519PrivateKey.generate()
CLAIMS: dict[str, Any] = {
    "iss": ISSUER,
    "sub": "248289761001",
    "aud": CLIENT,
    "nonce": NONCE,
    "iat": int(NOW.timestamp()),
    "exp": int((NOW + timedelta(minutes=5)).timestamp()),
    "email": "Ana@Shop.example",
    "email_verified": True,
}


def public(key: Any, algorithm: str, key_id: str | None, **more: str) -> jwt.PyJWK:
    kinds: Any = {
        "RS256": jwt.algorithms.RSAAlgorithm,
        "ES256": jwt.algorithms.ECAlgorithm,
        "EdDSA": jwt.algorithms.OKPAlgorithm,
    }
    document = kinds[algorithm].to_jwk(key.public_key(), as_dict=True)
    return jwt.PyJWK.from_dict(document | ({} if key_id is None else {"kid": key_id}) | more)


KEYS = [public(RSA, "RS256", "r1"), public(EC, "ES256", "e1"), public(ED, "EdDSA", "d1")]


def token(key: Any = RSA, algorithm: str = "RS256", key_id: str | None = "r1", **changes: Any) -> str:
    claims = {name: value for name, value in (CLAIMS | changes).items() if value is not None}
    return jwt.encode(claims, key, algorithm, headers={} if key_id is None else {"kid": key_id})


def check(text: str, keys: list[jwt.PyJWK] | None = None, access_token: str | None = None) -> Identity:
    return validated(
        text, KEYS if keys is None else keys, issuer=ISSUER, client_id=CLIENT, nonce=NONCE, access_token=access_token,
        now=NOW,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("key", "algorithm", "key_id"), [(RSA, "RS256", "r1"), (EC, "ES256", "e1"), (ED, "EdDSA", "d1")]
)
def test_a_token_of_each_kind_of_key_holds(key: Any, algorithm: str, key_id: str) -> None:
    assert check(token(key, algorithm, key_id)) == Identity(ISSUER, "248289761001", "ana@shop.example", True)


def test_without_a_key_id_the_only_fitting_key_counts() -> None:
    assert check(token(key_id=None)).subject == "248289761001"
    with pytest.raises(UnknownKey):
        check(token(key_id=None), [*KEYS, public(OTHER, "RS256", "r2")])


def test_a_key_that_is_not_in_the_set_is_asked_for_anew() -> None:
    with pytest.raises(UnknownKey):
        check(token(OTHER, key_id="r2"))
    with pytest.raises(UnknownKey):
        check(token(), [public(RSA, "RS256", "r1", use="enc")])


def _unsigned(algorithm: str) -> str:
    def part(document: Any) -> str:
        return base64.urlsafe_b64encode(json.dumps(document).encode()).rstrip(b"=").decode()

    return f"{part({'alg': algorithm, 'kid': 'r1'})}.{part(CLAIMS)}."


@pytest.mark.parametrize(
    "text",
    [
        _unsigned("none"),
        _unsigned("None"),
        _unsigned("RS256"),
        jwt.encode(CLAIMS, "a client secret of thirty-two bytes", "HS256", headers={"kid": "r1"}),
        token(OTHER),
        token(iss="https://idp.example/"),
        token(iss=None),
        token(aud="another"),
        token(aud=["bezant", "another"]),
        token(aud=["bezant", "another"], azp="another"),
        token(azp="another"),
        token(aud=None),
        token(nonce=None),
        token(nonce="another"),
        token(exp=int((NOW - timedelta(minutes=2)).timestamp())),
        token(exp=None),
        token(exp=float("nan")),
        token(exp=True),
        token(nbf=int((NOW + timedelta(minutes=5)).timestamp())),
        token(iat=None),
        token(iat=int((NOW - timedelta(minutes=11)).timestamp())),
        token(iat=int((NOW + timedelta(minutes=5)).timestamp())),
        token(sub=None),
        token(sub=""),
        token(sub="x" * 256),
        "not.a.token",
        "",
    ],
)
def test_a_token_that_does_not_hold_opens_nothing(text: str) -> None:
    with pytest.raises(SignInRefused):
        check(text)


def test_a_token_for_several_clients_names_us_as_its_party() -> None:
    assert check(token(aud=["bezant", "another"], azp="bezant")).subject == "248289761001"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"email_verified": False}, ("ana@shop.example", False)),
        ({"email_verified": None}, ("ana@shop.example", False)),
        ({"email_verified": "true"}, ("ana@shop.example", True)),
        ({"email_verified": 1}, ("ana@shop.example", False)),
        ({"email": None}, (None, False)),
        ({"email": ["a"]}, (None, False)),
    ],
)
def test_an_address_counts_as_verified_only_if_the_provider_says_so(
    changes: dict[str, Any], expected: tuple[str | None, bool]
) -> None:
    identity = check(token(**changes))
    assert (identity.email, identity.email_verified) == expected


def test_the_access_token_has_to_be_the_one_that_came_along() -> None:
    digest = hashlib.sha256(b"token").digest()[:16]
    hashed = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    assert check(token(at_hash=hashed), access_token="token").subject
    with pytest.raises(SignInRefused, match="at_hash"):
        check(token(at_hash=hashed), access_token="another")
