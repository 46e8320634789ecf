"""Validation of ID tokens as OpenID Connect Core 1.0 asks of a client (§3.1.3.7), and of what comes with them.

Source: https://openid.net/specs/openid-connect-core-1_0.html
"""

import base64
import hashlib
import hmac
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import jwt

from bezant.services.tenant.domain.problems import SignInRefused

ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Signatures with a public key only: whoever knows our client secret must not be able to make tokens."""
_HASHES: Final = {"256": hashlib.sha256, "384": hashlib.sha384, "512": hashlib.sha512, "DSA": hashlib.sha512}
_LEEWAY_SECONDS: Final = 60
_OLDEST_SECONDS: Final = 600
_MAX_SUBJECT_CHARACTERS: Final = 255


class UnknownKey(Exception):
    """The token names a key that is not in the set; the provider may have made a new one."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who the identity provider says it is."""

    issuer: str
    subject: str
    email: str | None
    email_verified: bool


def validated(
    token: str,
    keys: Sequence[jwt.PyJWK],
    *,
    issuer: str,
    client_id: str,
    nonce: str,
    access_token: str | None,
    now: datetime,
) -> Identity:
    """Return who an ID token speaks of.

    Raises `UnknownKey` when the set has no key for it, and `SignInRefused` when anything is wrong with it.
    """
    try:
        header = jwt.get_unverified_header(token)
        algorithm = str(header.get("alg"))
        if algorithm not in ALGORITHMS:
            raise SignInRefused(f"the ID token is signed with {algorithm}, which is not accepted")
        claims: dict[str, Any] = jwt.decode(
            token,
            _key(keys, header.get("kid"), algorithm),
            algorithms=[algorithm],
            audience=client_id,
            issuer=issuer,
            # Times are judged below, by the clock that the caller gives.
            options={
                "require": ["iss", "sub", "aud", "exp", "iat"],
                "verify_exp": False,
                "verify_iat": False,
                "verify_nbf": False,
            },
        )
    except jwt.PyJWTError as error:
        raise SignInRefused(f"the ID token does not hold: {error}") from error
    _check_party(claims, client_id)
    if not hmac.compare_digest(str(claims.get("nonce", "")).encode(), nonce.encode()):
        raise SignInRefused("the ID token belongs to another sign-in (nonce)")
    _check_times(claims, now.timestamp())
    subject = claims["sub"]
    if not isinstance(subject, str) or not 1 <= len(subject) <= _MAX_SUBJECT_CHARACTERS:
        raise SignInRefused("the ID token names nobody (sub)")
    if access_token is not None and "at_hash" in claims:
        _check_access_token(access_token, str(claims["at_hash"]), algorithm)
    return Identity(issuer, subject, *address_in(claims))


def _check_times(claims: Mapping[str, Any], now: float) -> None:
    times = {name: claims[name] for name in ("exp", "iat", "nbf") if name in claims}
    if not all(type(value) in (int, float) and math.isfinite(value) for value in times.values()):
        raise SignInRefused("the ID token holds a time that is no number (exp, iat or nbf)")
    if now >= times["exp"] + _LEEWAY_SECONDS:
        raise SignInRefused("the ID token has expired; sign in again")
    if max(times["iat"], times.get("nbf", times["iat"])) > now + _LEEWAY_SECONDS:
        raise SignInRefused("the ID token is not valid yet; are the clocks right?")
    if now - times["iat"] > _OLDEST_SECONDS:
        raise SignInRefused("the ID token is too old")


def address_in(claims: Mapping[str, Any]) -> tuple[str | None, bool]:
    """Return (mail address in lower case or None, whether the provider has verified it)."""
    email = claims.get("email")
    # Some providers write the truth as a text.
    told = claims.get("email_verified")
    verified = told is True or told == "true"
    return (email.lower(), verified) if isinstance(email, str) and email else (None, False)


def _key(keys: Sequence[jwt.PyJWK], key_id: object, algorithm: str) -> jwt.PyJWK:
    """Return the key that a token names, or the only one that fits if it names none."""
    family = {"R": "RSA", "P": "RSA", "E": "EC"}[algorithm[0]] if algorithm != "EdDSA" else "OKP"
    fitting = [
        key
        for key in keys
        if key.key_type == family and key.public_key_use in (None, "sig") and key_id in (None, key.key_id)
    ]
    if len(fitting) == 1 or (fitting and key_id is not None):
        return fitting[0]
    raise UnknownKey


def _check_party(claims: Mapping[str, Any], client_id: str) -> None:
    audiences = claims["aud"] if isinstance(claims["aud"], list) else [claims["aud"]]
    party = claims.get("azp")
    # A token for others as well is only for whom it names as its authorized party.
    if (len(audiences) > 1 and party is None) or party not in (None, client_id):
        raise SignInRefused("the ID token was made for another client (azp)")


def _check_access_token(access_token: str, expected: str, algorithm: str) -> None:
    digest = _HASHES[algorithm[-3:]](access_token.encode()).digest()
    half = base64.urlsafe_b64encode(digest[: len(digest) // 2]).rstrip(b"=").decode()
    if not hmac.compare_digest(half.encode(), expected.rstrip("=").encode()):
        raise SignInRefused("the access token is not the one that the ID token came with (at_hash)")
