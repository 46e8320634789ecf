"""The fraud API over HTTP."""

from typing import Any
from uuid import UUID

import pytest
from redis.asyncio.cluster import RedisCluster

from bezant.contracts.identifiers import new_id
from bezant.services.fraud.operations.assess_payments import AssessPayments
from bezant.services.fraud.settings import FraudSettings
from bezant.services.fraud.storage.active_rulesets import ActiveRulesets
from bezant.services.fraud.storage.velocity_counters import VelocityCounters

from ..stores.fixtures import Stores
from ..stores.http import Api
from .test_assessing import request


def payment(amount_minor: Any = 1_000, currency: str = "USD", **more: Any) -> dict[str, Any]:
    return {
        "source_account_id": str(UUID(int=1)),
        "destination_account_id": str(UUID(int=2)),
        "amount": {"amount_minor": amount_minor, "currency": currency},
    } | more


async def judged(api: Api, key: str, **changes: Any) -> dict[str, Any]:
    status, answer = await api.call(key, "POST", "/v1/fraud/assessments", payment(**changes))
    assert status == 200, answer
    return dict(answer)


async def test_a_dry_run_judges_by_the_currency_s_exponent_and_magnitude(api: Api, tenant: UUID) -> None:
    key = api.keys.give(tenant)
    # 10,000 units: above it is reviewed. JPY has no decimals and is worth a hundredth, KWD has three decimals.
    for amount_minor, currency, decision in [
        (1_000_000, "USD", "approve"),
        (1_000_001, "USD", "review"),
        (1_000_000, "JPY", "approve"),
        (1_000_001, "JPY", "review"),
        (10_000_000, "KWD", "approve"),
        (10_000_001, "KWD", "review"),
        (10_000_001, "USD", "decline"),
    ]:
        await api.call(key, "PUT", "/v1/fraud/rules", {"thresholds": {"new_destination_amount": 1e9}})
        answer = await judged(api, key, amount_minor=amount_minor, currency=currency)
        assert answer["decision"] == decision, (amount_minor, currency, answer)


async def test_rules_are_replaced_and_judge_from_then_on(api: Api, tenant: UUID) -> None:
    key = api.keys.give(tenant)
    _, rules = await api.call(key, "GET", "/v1/fraud/rules")
    assert (rules["version"], rules["created_by"], len(rules["rules"])) == (1, None, 5)
    assert rules["variables"]["amount"]["type"] == "double"
    body = {
        "rules": [
            {"code": "night", "action": "review", "score": 10, "expression": "hour_utc >= 0 && amount > 5.0"},
            {"code": "off", "action": "decline", "expression": "true", "enabled": False},
        ],
        "note": "ours",
        "based_on_version": 1,
    }
    status, answer = await api.call(key, "PUT", "/v1/fraud/rules", body)
    assert (status, answer["version"], answer["created_by"]) == (200, 2, f"key:{key}")
    assert (await judged(api, key))["reasons"] == ["night"]
    assert (await judged(api, key, amount_minor=400))["decision"] == "approve"
    status, problem = await api.call(key, "PUT", "/v1/fraud/rules", body)
    assert (status, problem["code"], problem["active_version"]) == (409, "ruleset_changed", 2)
    # The same again makes no new version; an empty document is the rule set that ships with the product.
    del body["based_on_version"]
    assert (await api.call(key, "PUT", "/v1/fraud/rules", body))[1]["version"] == 2
    _, shipped = await api.call(key, "PUT", "/v1/fraud/rules", {})
    assert (shipped["version"], shipped["rules"]) == (3, rules["rules"])
    _, history = await api.call(key, "GET", "/v1/fraud/rules/versions", limit=2)
    assert [line["version"] for line in history["data"]] == [3, 2]
    _, rest = await api.call(key, "GET", "/v1/fraud/rules/versions", before=history["next_before"])
    assert [line["version"] for line in rest["data"]] == [1]
    assert (await api.call(key, "GET", "/v1/fraud/rules/versions/2"))[1]["rules"][0]["code"] == "night"
    assert (await api.call(key, "GET", "/v1/fraud/rules/versions/1"))[1]["rules"] == rules["rules"]
    assert (await api.call(key, "GET", "/v1/fraud/rules/versions/9"))[0] == 404


async def test_every_replica_judges_by_the_new_rules_at_once(
    api: Api, stores: Stores, valkey: RedisCluster, assess: AssessPayments, tenant: UUID
) -> None:
    key = api.keys.give(tenant)
    other_replica = AssessPayments(
        stores.databases("fraud"),
        VelocityCounters(valkey, FraudSettings(velocity_timeout_seconds=2.0)),
        ActiveRulesets(),
    )
    for version, code in [(2, "a"), (3, "b")]:
        rule = {"code": code * 2, "action": "review", "expression": "true"}
        await api.call(key, "PUT", "/v1/fraud/rules", {"rules": [rule]})
        for replica in (assess, other_replica):
            (answer,) = await replica(tenant, [request()])
            assert (answer.ruleset_version, answer.reasons) == (version, [code * 2])


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("amount >", "is not a CEL expression"),
        ("ammount > 1.0", "unknown variable 'ammount'"),
        ("amount", "answers float"),
        ("amount + 1", "cannot be evaluated"),
        ("currency > 5", "cannot be evaluated"),
        ("[1, 2].all(x, x > 0)", "comprehension"),
        ("1 / 0 > 1", "cannot be evaluated"),
        ("open('/etc/passwd') == ''", "cannot be evaluated"),
    ],
)
async def test_a_bad_rule_is_named_and_changes_nothing(api: Api, tenant: UUID, expression: str, words: str) -> None:
    key = api.keys.give(tenant)
    good = {"code": "good", "action": "review", "expression": "true"}
    bad = {"code": "bad_one", "action": "review", "expression": expression, "enabled": False}
    status, problem = await api.call(key, "PUT", "/v1/fraud/rules", {"rules": [good, bad]})
    assert (status, problem["code"], problem["rule"]) == (422, "rule_invalid", "bad_one")
    assert words in problem["detail"]
    assert (await api.call(key, "GET", "/v1/fraud/rules"))[1]["version"] == 1


async def test_block_lists_decline(api: Api, tenant: UUID) -> None:
    key = api.keys.give(tenant)
    lists = {
        "account_ids": [str(UUID(int=2))],
        "device_ids": ["d1"],
        "ips": ["2001:DB8::1"],
        "emails": ["Mallory@Example.com"],
        "countries": ["KP"],
    }
    other = str(UUID(int=3))
    assert (await api.call(key, "PUT", "/v1/fraud/rules", {"block_lists": lists}))[0] == 200
    assert (await judged(api, key))["reasons"] == ["outside_policy"]
    assert (await judged(api, key, destination_account_id=other))["decision"] == "approve"
    for context in (
        {"device_id": "d1"},
        {"ip": "2001:db8:0::1"},
        {"email": "mallory@example.com"},
        {"country": "KP"},
    ):
        assert (await judged(api, key, destination_account_id=other, context=context))["decision"] == "decline"


async def test_an_address_that_grows_when_it_is_lowered_is_kept(api: Api, tenant: UUID) -> None:
    key = api.keys.give(tenant)
    body = {"block_lists": {"emails": ["İ" * 300]}}
    assert (await api.call(key, "PUT", "/v1/fraud/rules", body))[0] == 200
    _, rules = await api.call(key, "GET", "/v1/fraud/rules")
    assert rules["block_lists"]["emails"] == ["i̇" * 300]


async def test_a_case_is_decided_once_and_announced(
    api: Api, assess: AssessPayments, stores: Stores, tenant: UUID
) -> None:
    key = api.keys.give(tenant)
    answers = await assess(tenant, [request(1_500_000) for _ in range(3)])
    _, page = await api.call(key, "GET", "/v1/fraud/cases", status="open", limit=2)
    assert [case["id"] for case in page["data"]] == [str(answer.case_id) for answer in answers[:2]]
    _, rest = await api.call(key, "GET", "/v1/fraud/cases", status="open", cursor=page["next_cursor"])
    assert [case["id"] for case in rest["data"]] == [str(answers[2].case_id)]
    one = f"/v1/fraud/cases/{answers[0].case_id}"
    assert (await api.call(key, "GET", one))[1]["features"]["source_count_1m"] == 1
    status, decided = await api.call(key, "POST", f"{one}/decision", {"decision": "approve", "note": "known"})
    assert (status, decided["status"], decided["decided_by"]) == (200, "approved", f"key:{key}")
    status, problem = await api.call(key, "POST", f"{one}/decision", {"decision": "decline"})
    assert (status, problem["code"], problem["status"]) == (409, "fraud_case_already_decided", 409)
    assert (await api.call(key, "GET", one))[1]["status"] == "approved"
    ((data,),) = await stores.as_superuser(
        tenant,
        "SELECT envelope::jsonb->'data' FROM fraud.outbox WHERE envelope::jsonb->>'type' = 'fraud.case_decided'",
    )
    assert (data["payment_id"], data["decision"], data["note"]) == (str(answers[0].payment_id), "approve", "known")
    _, stored = await api.call(key, "GET", f"/v1/fraud/assessments/{answers[0].payment_id}")
    assert (stored["decision"], stored["case_id"]) == ("review", str(answers[0].case_id))


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("POST", "/assessments", payment(0), 400, "invalid_request"),
        ("POST", "/assessments", payment(-5), 400, "invalid_request"),
        ("POST", "/assessments", payment(1.5), 400, "invalid_request"),
        ("POST", "/assessments", payment(2**53), 400, "invalid_request"),
        ("POST", "/assessments", payment("5"), 400, "invalid_request"),
        ("POST", "/assessments", payment(5, "ZZZ"), 400, "invalid_request"),
        ("POST", "/assessments", payment(source_account_id="x"), 400, "invalid_request"),
        ("POST", "/assessments", payment(context={"ip": "nowhere"}), 400, "invalid_request"),
        ("POST", "/assessments", payment(context={"device_id": "a\x00"}), 400, "invalid_request"),
        ("POST", "/assessments", payment(more=1), 400, "invalid_request"),
        ("PUT", "/rules", {"thresholds": {"nope": 1}}, 422, "threshold_invalid"),
        ("PUT", "/rules", {"thresholds": {"review_amount": -1}}, 400, "invalid_request"),
        ("PUT", "/rules", {"thresholds_by_currency": {"ZZZ": {}}}, 400, "invalid_request"),
        ("PUT", "/rules", {"rules": [{"code": "x"}]}, 400, "invalid_request"),
        ("PUT", "/rules", {"note": "card 4111111111111111"}, 400, "card_number_refused"),
        ("GET", "/cases?cursor=x", None, 400, "invalid_cursor"),
        ("GET", "/cases?status=maybe", None, 400, "invalid_request"),
        ("GET", "/rules/versions?before=0", None, 400, "invalid_request"),
        ("GET", f"/cases/{new_id()}", None, 404, "fraud_case_not_found"),
        ("POST", f"/cases/{new_id()}/decision", {"decision": "approve"}, 404, "fraud_case_not_found"),
        ("POST", f"/cases/{new_id()}/decision", {"decision": "maybe"}, 400, "invalid_request"),
        ("GET", f"/assessments/{new_id()}", None, 404, "fraud_assessment_not_found"),
    ],
)
async def test_bad_requests_are_refused_with_a_code(
    api: Api, stores: Stores, tenant: UUID, method: str, path: str, body: object, status: int, code: str
) -> None:
    answer = await api.call(api.keys.give(tenant), method, "/v1/fraud" + path, body)
    assert (answer[0], answer[1]["code"]) == (status, code), answer
    assert await stores.as_superuser(tenant, "SELECT count(*) FROM fraud.outbox") == [(0,)]


async def test_another_tenant_s_cases_and_rules_are_out_of_reach(
    api: Api, assess: AssessPayments, stores: Stores, tenant: UUID
) -> None:
    key, other = api.keys.give(tenant), api.keys.give(await stores.new_tenant())
    (answer,) = await assess(tenant, [request(1_500_000)])
    await api.call(key, "PUT", "/v1/fraud/rules", {"thresholds": {"review_amount": 1}})
    decision = f"/v1/fraud/cases/{answer.case_id}/decision"
    for method, path, body in [
        ("GET", f"/v1/fraud/cases/{answer.case_id}", None),
        ("POST", decision, {"decision": "approve"}),
        ("GET", f"/v1/fraud/assessments/{answer.payment_id}", None),
        ("GET", "/v1/fraud/rules/versions/2", None),
    ]:
        assert (await api.call(other, method, path, body))[0] == 404
        assert (await api.call("nobody", method, path, body))[0] == 401
        assert (await api.call(api.keys.give(tenant, "webhooks:read"), method, path, body))[0] == 403
    assert (await api.call(other, "GET", "/v1/fraud/cases"))[1]["data"] == []
    assert (await api.call(other, "GET", "/v1/fraud/rules"))[1]["version"] == 1
    reader = api.keys.give(tenant, "fraud:read")
    assert (await api.call(reader, "POST", decision, {"decision": "approve"}))[0] == 403
    assert (await api.call(reader, "PUT", "/v1/fraud/rules", {}))[0] == 403
    assert (await api.call(key, "GET", f"/v1/fraud/cases/{answer.case_id}"))[1]["status"] == "open"
