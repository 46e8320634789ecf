"""Signing in with OpenID providers: an independent one and our own."""

import asyncio
from dataclasses import replace

import psycopg
import pytest

from bezant.contracts.identifiers import new_id
from bezant.contracts.problems import Forbidden, Unauthenticated
from bezant.foundation.control.database import ControlDatabase
from bezant.foundation.identity.api_keys import DEFAULT_SCOPES, ApiKeys, Caller
from bezant.foundation.identity.roles import Role
from bezant.services.tenant.domain.problems import (
    NoSession,
    OperatorExists,
    OperatorNotFound,
    RedirectRefused,
    SignInNotOffered,
    SignInRefused,
    TooManySignIns,
)
from bezant.services.tenant.identity_provider import IdentityProviderUnavailable
from bezant.services.tenant.operations.manage_operators import add_operator, list_operators, remove_operator
from bezant.services.tenant.operations.read_acts import read_acts
from bezant.services.tenant.operations.sign_in import Session

from ..foundation.conftest import Control
from .conftest import ADMIN, REDIRECT, LocalProvider, SigningIn, pass_through, signing_in


async def sign_in(at: SigningIn, answers: dict[str, str], tenant_slug: str | None = None) -> Session:
    begun = await at.sign_in.begin(redirect_uri=REDIRECT, tenant_slug=tenant_slug)
    back = await pass_through(begun.authorization_url, answers)
    return await at.sign_in.complete(sign_in_id=begun.id, secret=begun.secret, state=back["state"], code=back["code"])


async def test_a_person_signs_in_with_an_independent_provider_and_acts_as_themselves(
    control: Control, database: ControlDatabase, keys: ApiKeys, other_provider: str
) -> None:
    tenant_id = await control.add_tenant(slug="acme")
    at = signing_in(database, other_provider, client_secret="s%cret: +")
    added = await add_operator(database, ADMIN, email="ana@Shop.example", role=Role.RISK, tenant_id=tenant_id)
    session = await sign_in(at, {"sub": "ana"}, "acme")
    assert (session.tenant_id, session.role, session.email) == (tenant_id, Role.RISK, "ana@shop.example")
    caller = await keys.authenticate(f"Bearer {session.token}")
    assert (caller.actor, caller.tenant) == (f"operator:{added.id}", tenant_id)
    caller.require("fraud:write")
    caller.require("approvals:write")
    for missing in ("payments:write", "keys:write", "ledger:write", "admin", "platform:read"):
        with pytest.raises(Forbidden):
            caller.require(missing)
    await at.sign_in.sign_out(caller)
    with pytest.raises(Unauthenticated):
        await keys.authenticate(f"Bearer {session.token}")
    acts = await read_acts(database, tenant_id=tenant_id, before=None, limit=10)
    assert [(act.act, act.actor) for act in acts] == [
        ("operator.signed_out", f"operator:{added.id}"),
        ("operator.signed_in", f"operator:{added.id}"),
        ("operator.added", ADMIN.actor),
    ]
    outbox = await control.as_superuser(
        "SELECT envelope FROM control.outbox WHERE partition_key LIKE %s ORDER BY n", f"{tenant_id}%"
    )
    assert "tenant.operator_added" in outbox[0][0]
    assert "tenant.operator_signed_in" in outbox[1][0]
    assert "tenant.operator_signed_out" in outbox[2][0]
    assert session.token not in str(outbox)
    await at.provider.close()


async def test_our_own_provider_checks_passwords_and_pkce(
    control: Control, database: ControlDatabase, local_provider: LocalProvider
) -> None:
    local_provider.people.put("Ana@Shop.example", "right")
    await add_operator(database, ADMIN, email="ana@shop.example", role=Role.ADMIN, tenant_id=None)
    at = signing_in(database, local_provider.issuer)
    begun = await at.sign_in.begin(redirect_uri=REDIRECT, tenant_slug=None)
    for email, password in (("ana@shop.example", "wrong"), ("eve@shop.example", "right")):
        with pytest.raises(AssertionError, match="not right"):
            await pass_through(begun.authorization_url, {"email": email, "password": password})
    session = await sign_in(at, {"email": "ana@shop.example", "password": "right"})
    assert (session.tenant_id, session.scopes) == (None, ["admin"])
    # Another verifier than the one whose hash went to the provider: a code that was caught on its way is worthless.
    begun = await at.sign_in.begin(redirect_uri=REDIRECT, tenant_slug=None)
    back = await pass_through(begun.authorization_url, {"email": "ana@shop.example", "password": "right"})
    with pytest.raises(SignInRefused, match="invalid_grant"):
        await at.provider.identify(code=back["code"], redirect_uri=REDIRECT, nonce="n", code_verifier="v" * 43)
    await at.provider.close()


async def test_from_the_first_sign_in_on_the_person_counts_and_not_the_address(
    control: Control, database: ControlDatabase, local_provider: LocalProvider
) -> None:
    local_provider.people.put("ana@shop.example", "right")
    await add_operator(database, ADMIN, email="ana@shop.example", role=Role.VIEWER, tenant_id=None)
    at = signing_in(database, local_provider.issuer)
    await sign_in(at, {"email": "ana@shop.example", "password": "right"})
    # The address now belongs to somebody else at the provider.
    (local_provider.people._path).unlink()
    local_provider.people.put("ana@shop.example", "hers")
    with pytest.raises(SignInRefused, match="may not sign in here"):
        await sign_in(at, {"email": "ana@shop.example", "password": "hers"})
    await at.provider.close()


@pytest.mark.parametrize("who", ["eve", "nobody"])
async def test_an_address_that_is_not_verified_opens_nothing(
    control: Control, database: ControlDatabase, other_provider: str, who: str
) -> None:
    await add_operator(database, ADMIN, email="ana@shop.example", role=Role.ADMIN, tenant_id=None)
    at = signing_in(database, other_provider, client_secret="s%cret: +")
    with pytest.raises(SignInRefused, match="without a verified address"):
        await sign_in(at, {"sub": who})
    await at.provider.close()


async def test_people_of_the_platform_enter_tenants_with_their_role_and_others_only_their_own(
    control: Control, database: ControlDatabase, keys: ApiKeys, local_provider: LocalProvider
) -> None:
    acme, beta = await control.add_tenant(slug="acme"), await control.add_tenant(slug="beta")
    for name in ("ana", "bob"):
        local_provider.people.put(f"{name}@shop.example", "right")
    await add_operator(database, ADMIN, email="ana@shop.example", role=Role.OPERATOR, tenant_id=None)
    await add_operator(database, ADMIN, email="bob@shop.example", role=Role.ADMIN, tenant_id=acme)
    at = signing_in(database, local_provider.issuer)
    ana = await sign_in(at, {"email": "ana@shop.example", "password": "right"}, "beta")
    assert (ana.tenant_id, "payments:write" in ana.scopes, "keys:write" in ana.scopes) == (beta, True, False)
    platform = await sign_in(at, {"email": "ana@shop.example", "password": "right"})
    assert platform.scopes == ["platform:read", "platform:write"]
    bob = await sign_in(at, {"email": "bob@shop.example", "password": "right"}, "acme")
    assert "ledger:write" in bob.scopes
    for slug in ("beta", None, "no-such-tenant"):
        with pytest.raises(SignInRefused):
            await sign_in(at, {"email": "bob@shop.example", "password": "right"}, slug)
    outbox = await control.as_superuser(
        "SELECT envelope FROM control.outbox WHERE partition_key LIKE %s ORDER BY n", f"{beta}%"
    )
    assert '"of_platform":true' in outbox[-1][0]
    await at.provider.close()


async def test_removing_a_person_ends_their_sessions(
    control: Control, database: ControlDatabase, keys: ApiKeys, local_provider: LocalProvider
) -> None:
    local_provider.people.put("ana@shop.example", "right")
    added = await add_operator(database, ADMIN, email="ana@shop.example", role=Role.ADMIN, tenant_id=None)
    at = signing_in(database, local_provider.issuer)
    session = await sign_in(at, {"email": "ana@shop.example", "password": "right"})
    await keys.authenticate(f"Bearer {session.token}")
    await remove_operator(database, ADMIN, added.id)
    with pytest.raises(Unauthenticated):
        await keys.authenticate(f"Bearer {session.token}")
    with pytest.raises(SignInRefused):
        await sign_in(at, {"email": "ana@shop.example", "password": "right"})
    with pytest.raises(OperatorNotFound):
        await remove_operator(database, ADMIN, added.id)
    await at.provider.close()


async def test_a_sign_in_is_completed_once_and_by_whoever_began(
    control: Control, database: ControlDatabase, local_provider: LocalProvider
) -> None:
    local_provider.people.put("ana@shop.example", "right")
    await add_operator(database, ADMIN, email="ana@shop.example", role=Role.ADMIN, tenant_id=None)
    at = signing_in(database, local_provider.issuer)
    begun = await at.sign_in.begin(redirect_uri=REDIRECT, tenant_slug=None)
    other = await at.sign_in.begin(redirect_uri=REDIRECT, tenant_slug=None)
    back = await pass_through(begun.authorization_url, {"email": "ana@shop.example", "password": "right"})
    state, code = back["state"], back["code"]
    for sign_in_id, secret, given in (
        (begun.id, other.secret, state),
        (begun.id, begun.secret, "x"),
        (other.id, other.secret, state),
        (new_id(), begun.secret, state),
    ):
        with pytest.raises(SignInRefused, match="begin again"):
            await at.sign_in.complete(sign_in_id=sign_in_id, secret=secret, state=given, code=code)
    results = await asyncio.gather(
        *(at.sign_in.complete(sign_in_id=begun.id, secret=begun.secret, state=state, code=code) for _ in range(5)),
        return_exceptions=True,
    )
    assert sum(isinstance(result, Session) for result in results) == 1
    stored = await control.as_superuser("SELECT * FROM control.sign_ins")
    assert begun.secret not in str(stored)
    await at.provider.close()


async def test_a_sign_in_that_takes_too_long_or_is_one_too_many_is_refused(
    control: Control, database: ControlDatabase, local_provider: LocalProvider
) -> None:
    at = signing_in(database, local_provider.issuer, pending_sign_ins=2)
    for _ in range(2):
        begun = await at.sign_in.begin(redirect_uri=REDIRECT, tenant_slug=None)
    with pytest.raises(TooManySignIns):
        await at.sign_in.begin(redirect_uri=REDIRECT, tenant_slug=None)
    await control.as_superuser("UPDATE control.sign_ins SET expires_at = now() - interval '1 second'")
    with pytest.raises(SignInRefused):
        await at.sign_in.complete(sign_in_id=begun.id, secret=begun.secret, state="s", code="c")
    await at.sign_in.begin(redirect_uri=REDIRECT, tenant_slug=None)
    assert len(await control.as_superuser("SELECT 1 FROM control.sign_ins")) == 1
    await at.provider.close()


@pytest.mark.parametrize(
    "uri",
    [
        "https://evil.example/",
        "http://127.0.0.1.evil.example/",
        "http://localhost.evil.example/",
        "http://user@127.0.0.1/",
        "https://console.example/callback/../other",
        "https://console.example/callback#x",
        "javascript:alert(1)",
        "",
    ],
)
async def test_people_are_sent_back_only_where_they_may_be(
    database: ControlDatabase, local_provider: LocalProvider, uri: str
) -> None:
    at = signing_in(database, local_provider.issuer, oidc_redirect_uris="https://console.example/callback")
    with pytest.raises(RedirectRefused):
        await at.sign_in.begin(redirect_uri=uri, tenant_slug=None)
    await at.sign_in.begin(redirect_uri="https://console.example/callback", tenant_slug=None)
    await at.sign_in.begin(redirect_uri="http://[::1]:5/x", tenant_slug=None)
    await at.provider.close()


async def test_without_a_provider_or_with_a_dead_or_false_one_nobody_signs_in(
    database: ControlDatabase, local_provider: LocalProvider
) -> None:
    for issuer, problem in (
        ("", SignInNotOffered),
        ("http://127.0.0.1:9", IdentityProviderUnavailable),
        ("http://idp.example", IdentityProviderUnavailable),
        # The same provider by another name: it says that it is somebody else.
        (local_provider.issuer.replace("127.0.0.1", "localhost"), IdentityProviderUnavailable),
    ):
        at = signing_in(database, issuer)
        with pytest.raises(problem):
            await at.sign_in.begin(redirect_uri=REDIRECT, tenant_slug=None)
        await at.provider.close()


async def test_nobody_makes_a_person_who_may_do_more_than_themselves(
    control: Control, database: ControlDatabase
) -> None:
    acme, beta = await control.add_tenant(slug="acme"), await control.add_tenant(slug="beta")
    weak = Caller("b" * 12, acme, frozenset({"people:write", "people:read", "fraud:read", "fraud:write"}))
    with pytest.raises(Forbidden):
        await add_operator(database, weak, email="a@shop.example", role=Role.ADMIN, tenant_id=None)
    with pytest.raises(Forbidden):
        await add_operator(
            database, replace(weak, scopes=frozenset({"people:read"})), email="a@b.example", role=Role.VIEWER,
            tenant_id=None,
        )  # fmt: skip
    strong = Caller("c" * 12, acme, frozenset(DEFAULT_SCOPES))
    made = await add_operator(database, strong, email="a@shop.example", role=Role.ADMIN, tenant_id=beta)
    assert made.tenant_id == acme, "a tenant's key makes people of its own tenant, whatever it asks for"
    with pytest.raises(OperatorExists):
        await add_operator(database, strong, email="A@shop.example", role=Role.VIEWER, tenant_id=None)
    theirs = await add_operator(database, ADMIN, email="a@shop.example", role=Role.VIEWER, tenant_id=beta)
    with pytest.raises(OperatorNotFound):
        await remove_operator(database, strong, theirs.id)
    assert [one.id for one in await list_operators(database, strong, beta)] == [made.id]
    assert [one.id for one in await list_operators(database, ADMIN, beta)] == [theirs.id]
    with pytest.raises(NoSession):
        await signing_in(database, "").sign_in.sign_out(strong)


async def test_acts_cannot_be_changed(control: Control, database: ControlDatabase) -> None:
    await add_operator(database, ADMIN, email="a@shop.example", role=Role.VIEWER, tenant_id=None)
    for statement in (
        "UPDATE control.administrative_acts SET actor = 'x'",
        "DELETE FROM control.administrative_acts",
        "TRUNCATE control.administrative_acts",
    ):
        with pytest.raises(psycopg.errors.RestrictViolation):
            await control.as_superuser(statement)
        with pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.errors.RestrictViolation)):
            async with database.transaction() as connection:
                await connection.execute(statement)
