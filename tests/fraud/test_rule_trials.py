"""Rule sets that do not judge yet: shadows, activation, backtests; and lists that change alone."""

from datetime import UTC, datetime, timedelta
from string import ascii_uppercase
from typing import Any
from uuid import UUID

import pytest
from redis.asyncio.cluster import ClusterNode, RedisCluster

from bezant.contracts.identifiers import new_id
from bezant.contracts.internal.fraud import Assessment, Decision, PaymentContext
from bezant.services.fraud.operations.assess_payments import AssessPayments
from bezant.services.fraud.settings import FraudSettings
from bezant.services.fraud.storage.active_rulesets import ActiveRulesets
from bezant.services.fraud.storage.velocity_counters import VelocityCounters

from ..stores.fixtures import Stores, free_port
from ..stores.http import Api
from .test_assessing import request
from .test_velocity import backdate

STRICTER = {"thresholds": {"review_amount": 50, "decline_amount": 400, "new_destination_amount": 1e9}}


async def test_a_shadow_judges_beside_and_decides_nothing(
    api: Api, assess: AssessPayments, stores: Stores, tenant: UUID
) -> None:
    key = api.keys.give(tenant)
    assert (await api.call(key, "GET", "/v1/fraud/rules/shadow"))[1]["code"] == "fraud_shadow_not_found"
    status, shadow = await api.call(key, "PUT", "/v1/fraud/rules", STRICTER | {"mode": "shadow"})
    assert (status, shadow["version"], shadow["mode"]) == (200, 2, "shadow")
    assert (await api.call(key, "GET", "/v1/fraud/rules"))[1]["version"] == 1
    answers = await assess(tenant, [request(1_000), request(10_000), request(50_000)])
    assert {answer.decision for answer in answers} == {Decision.APPROVE}
    assert {answer.ruleset_version for answer in answers} == {1}
    _, stored = await api.call(key, "GET", f"/v1/fraud/assessments/{answers[2].payment_id}")
    assert stored["shadow"] == {
        "ruleset_version": 2, "decision": "decline", "score": 100, "reasons": ["outside_policy", "high_amount"],
    }  # fmt: skip
    _, report = await api.call(key, "GET", "/v1/fraud/rules/shadow")
    assert [
        (each["decision"], each["shadow_decision"], each["payments"]["count"], each["payments"]["amount"])
        for each in report["agreement"]
    ] == [
        ("approve", "approve", 1, {"amount_minor": 1_000, "currency": "USD"}),
        ("approve", "decline", 1, {"amount_minor": 50_000, "currency": "USD"}),
        ("approve", "review", 1, {"amount_minor": 10_000, "currency": "USD"}),
    ]
    assert report["matched"] == {"high_amount": 2, "outside_policy": 1}
    assert await stores.as_superuser(tenant, "SELECT count(*) FROM fraud.cases") == [(0,)]
    # Activated it judges, under a version of its own, and is no shadow any more.
    status, active = await api.call(key, "POST", "/v1/fraud/rules/versions/2/activate", {"note": "it did well"})
    assert (status, active["version"], active["mode"], active["note"]) == (200, 3, "active", "it did well")
    (answer,) = await assess(tenant, [request(50_000)])
    assert (answer.decision, answer.ruleset_version) == (Decision.DECLINE, 3)
    _, stored = await api.call(key, "GET", f"/v1/fraud/assessments/{answer.payment_id}")
    assert stored["shadow"] is None
    _, history = await api.call(key, "GET", "/v1/fraud/rules/versions")
    assert [(line["version"], line["mode"]) for line in history["data"]] == [
        (3, "active"), (2, "shadow"), (1, "active"),
    ]  # fmt: skip


async def test_a_shadow_gives_way_to_the_next_one_and_ends(api: Api, assess: AssessPayments, tenant: UUID) -> None:
    key = api.keys.give(tenant)
    for version, amount in ((2, 1), (3, 2)):
        body = {"mode": "shadow", "thresholds": {"review_amount": amount}}
        assert (await api.call(key, "PUT", "/v1/fraud/rules", body))[1]["version"] == version
    assert (await api.call(key, "GET", "/v1/fraud/rules/shadow"))[1]["rules"]["version"] == 3
    assert (await api.call(key, "DELETE", "/v1/fraud/rules/shadow"))[0] == 204
    assert (await api.call(key, "DELETE", "/v1/fraud/rules/shadow"))[0] == 404
    assert (await api.call(key, "GET", "/v1/fraud/rules/shadow"))[0] == 404
    # The active rule set counts on behind it, and going back is an activation too.
    assert (await api.call(key, "PUT", "/v1/fraud/rules", STRICTER))[1]["version"] == 4
    _, back = await api.call(key, "POST", "/v1/fraud/rules/versions/1/activate", {})
    assert (back["version"], back["note"]) == (5, "version 1 again")
    assert (await api.call(key, "POST", "/v1/fraud/rules/versions/9/activate", {}))[0] == 404
    (answer,) = await assess(tenant, [request()])
    assert (answer.decision, answer.ruleset_version) == (Decision.APPROVE, 5)


async def test_a_bad_shadow_is_refused(api: Api, tenant: UUID) -> None:
    rule = {"code": "bad_one", "action": "review", "expression": "amount >"}
    status, problem = await api.call(
        api.keys.give(tenant), "PUT", "/v1/fraud/rules", {"mode": "shadow", "rules": [rule]}
    )
    assert (status, problem["code"], problem["rule"]) == (422, "rule_invalid", "bad_one")


async def test_lists_change_without_the_rest_of_the_rule_set(api: Api, assess: AssessPayments, tenant: UUID) -> None:
    key = api.keys.give(tenant)
    rule = {"code": "always", "action": "review", "expression": "true"}
    stop = {"code": "stop", "action": "decline", "expression": "size(blocked) > 0"}
    await api.call(key, "PUT", "/v1/fraud/rules", {"rules": [rule, stop]})
    body = {"list": "allow", "add": {"device_ids": ["ours", "theirs"]}, "note": "our own devices"}
    _, allowed = await api.call(key, "POST", "/v1/fraud/lists", body)
    assert (allowed["version"], allowed["note"], len(allowed["rules"])) == (3, "our own devices", 2)
    context = PaymentContext(device_id="ours", country="KP")
    (answer,) = await assess(tenant, [request(context=context)])
    assert (answer.decision, answer.reasons) == (Decision.APPROVE, ["allow_listed", "always"])
    body = {"list": "allow", "remove": {"device_ids": ["theirs"]}}
    assert (await api.call(key, "POST", "/v1/fraud/lists", body))[1]["allow_lists"]["device_ids"] == ["ours"]
    body = {"list": "block", "add": {"countries": ["KP"]}}
    assert (await api.call(key, "POST", "/v1/fraud/lists", body))[1]["version"] == 5
    assert (await api.call(key, "POST", "/v1/fraud/lists", body))[1]["version"] == 5
    (answer,) = await assess(tenant, [request(context=context)])
    assert answer.decision is Decision.DECLINE
    assert (await api.call(key, "POST", "/v1/fraud/lists", {"list": "maybe"}))[0] == 400


async def test_a_list_does_not_grow_without_bound(api: Api, tenant: UUID) -> None:
    key = api.keys.give(tenant)
    full = {"list": "block", "add": {"device_ids": [f"d{n}" for n in range(10_000)]}}
    assert (await api.call(key, "POST", "/v1/fraud/lists", full))[0] == 200
    one_more = {"list": "block", "add": {"device_ids": ["one-more"]}}
    status, problem = await api.call(key, "POST", "/v1/fraud/lists", one_more)
    assert (status, problem["code"], problem["kind"]) == (422, "fraud_list_too_long", "device_ids")
    countries = [f"{first}{second}" for first in ascii_uppercase for second in ascii_uppercase]
    for part in (countries[:300], countries[300:]):
        body = {"list": "allow", "add": {"countries": part}}
        assert (await api.call(key, "POST", "/v1/fraud/lists", body))[0] == 200
    exchanged = one_more | {"remove": {"device_ids": ["d0"]}}
    assert (await api.call(key, "POST", "/v1/fraud/lists", exchanged))[0] == 200
    assert len((await api.call(key, "GET", "/v1/fraud/rules"))[1]["block_lists"]["device_ids"]) == 10_000


async def label(api: Api, key: str, answer: Assessment, word: str) -> None:
    status, labelled = await api.call(key, "PUT", f"/v1/fraud/labels/{answer.payment_id}", {"label": word})
    assert (status, labelled["label"], labelled["labelled_by"]) == (200, word, f"key:{key}")


async def test_a_backtest_says_what_would_have_come_of_a_rule_set(
    api: Api, assess: AssessPayments, stores: Stores, tenant: UUID
) -> None:
    key = api.keys.give(tenant)
    yen = {"currency": "JPY"}
    answers = await assess(
        tenant,
        [
            request(60_000),  # 600: let through, and fraud
            request(70_000),  # 700: let through, and good
            request(6_000),  # 60: let through, nobody said what it was
            request(45_000, **yen),  # 45,000 yen: above 400 times 100, let through, unknown
            request(1_000),
            request(1_500_000),  # held, and approved by a person
            request(12_000_000),  # declined, and it was good
        ],
    )
    assert [answer.decision for answer in answers] == [Decision.APPROVE] * 5 + [Decision.REVIEW, Decision.DECLINE]
    await label(api, key, answers[0], "legitimate")
    await label(api, key, answers[0], "fraud")
    await label(api, key, answers[1], "legitimate")
    await label(api, key, answers[6], "legitimate")
    await api.call(key, "POST", f"/v1/fraud/cases/{answers[5].case_id}/decision", {"decision": "approve"})
    rows = await stores.as_superuser(tenant, "SELECT count(*) FROM fraud.outbox")
    status, report = await api.call(key, "POST", "/v1/fraud/rules/backtest", STRICTER)
    assert status == 200, report

    def usd(amount_minor: int, count: int = 1) -> dict[str, Any]:
        return {"count": count, "amount": {"amount_minor": amount_minor, "currency": "USD"}}

    assert (report["payments"], report["fraud"], report["good"], report["unknown"]) == (7, 1, 3, 3)
    assert report["money_saved"] == [usd(60_000)]
    assert report["money_lost"] == []
    assert report["good_payments_blocked"] == [usd(1_570_000, 2)]
    assert report["unknown_payments_blocked"] == [{"count": 1, "amount": {"amount_minor": 45_000, "currency": "JPY"}}]
    assert report["good_payments_held"] == [usd(6_000)]
    assert report["good_payments_released"] == []
    assert report["rules"][0] == {"reason": "high_amount", "matched": 6, "fraud": 1, "good": 3, "unknown": 2}
    moves = {(each["then"], each["now"]): each["payments"] for each in report["decisions"]}
    assert moves["decline", "decline"] == [usd(12_000_000)]
    assert moves["approve", "approve"] == [usd(1_000)]
    assert (report["truncated"], report["without_features"], report["degraded"]) == (False, 0, 0)
    # Nothing came of it.
    assert (await api.call(key, "GET", "/v1/fraud/rules"))[1]["version"] == 1
    assert await stores.as_superuser(tenant, "SELECT count(*) FROM fraud.outbox") == rows
    # A laxer rule set loses the money of what was held rightly, and releases what was held wrongly.
    await label(api, key, answers[5], "fraud")
    lax = {"rules": [{"code": "never", "action": "review", "expression": "false"}]}
    _, report = await api.call(key, "POST", "/v1/fraud/rules/backtest", lax)
    assert report["money_lost"] == [usd(1_500_000)]
    assert report["good_payments_released"] == [usd(12_000_000)]


async def test_a_backtest_of_the_rules_that_judged_agrees_with_them(
    api: Api, assess: AssessPayments, tenant: UUID
) -> None:
    key = api.keys.give(tenant)
    rules = {
        "rules": [
            {"code": "many", "action": "decline", "expression": "source_count_1h > 5 && source_amount_ratio > 1.5"},
            {"code": "shared", "action": "review", "expression": "device_id != '' && device_accounts_24h > 2"},
            {"code": "new_payee", "action": "review", "expression": "destination_is_new && country == 'BR'"},
            {"code": "stop", "action": "decline", "expression": "size(blocked) > 0"},
        ],
        "block_lists": {"device_ids": ["d7"], "ips": ["203.0.113.9"]},
        "allow_lists": {"device_ids": ["d3"]},
    }
    assert (await api.call(key, "PUT", "/v1/fraud/rules", rules))[0] == 200
    asked = [
        request(
            500 + 97 * (n % 13),
            source_account_id=UUID(int=n % 4),
            destination_account_id=UUID(int=10 + n % 5),
            context=PaymentContext(
                device_id=f"d{n % 9}" if n % 3 else None,
                ip=f"203.0.113.{n % 11}" if n % 2 else None,
                country="BR" if n % 5 == 0 else None,
            ),
        )
        for n in range(120)
    ]
    answers = await assess(tenant, asked)
    assert {answer.decision for answer in answers} == set(Decision)
    _, report = await api.call(key, "POST", "/v1/fraud/rules/backtest", rules)
    assert report["payments"] == 120
    assert all(each["then"] == each["now"] for each in report["decisions"]), report["decisions"]
    assert report["unknown_variables"] == ["device_id"]


async def test_a_backtest_asks_rules_of_velocity_about_all_that_had_any(
    api: Api, assess: AssessPayments, stores: Stores, tenant: UUID
) -> None:
    """Counters that lack some of the history were heard then; only counters that did not answer were not."""
    key = api.keys.give(tenant)
    rules = {"rules": [{"code": "new", "action": "review", "expression": "destination_is_new"}]}
    assert (await api.call(key, "PUT", "/v1/fraud/rules", rules))[0] == 200
    await backdate(stores, tenant, timedelta(minutes=2))
    (lacking,) = await assess(tenant, [request()])
    assert (lacking.decision, lacking.reasons) == (Decision.REVIEW, ["new", "velocity_incomplete"])
    # Nothing listens there.
    nobody = RedisCluster(startup_nodes=[ClusterNode("127.0.0.1", free_port())], socket_timeout=0.2)
    silent = VelocityCounters(nobody, FraudSettings())
    (unheard,) = await AssessPayments(stores.databases("fraud"), silent, ActiveRulesets())(tenant, [request()])
    await nobody.aclose()
    assert (unheard.decision, unheard.reasons) == (Decision.APPROVE, ["velocity_unavailable"])
    _, report = await api.call(key, "POST", "/v1/fraud/rules/backtest", rules)
    assert [(each["then"], each["now"]) for each in report["decisions"]] == [
        ("approve", "approve"), ("review", "review"),
    ]  # fmt: skip
    assert (report["payments"], report["without_features"], report["degraded"]) == (2, 1, 1)


async def test_a_backtest_takes_the_newest_of_a_range(
    api: Api, assess: AssessPayments, stores: Stores, tenant: UUID
) -> None:
    key, other = api.keys.give(tenant), api.keys.give(await stores.new_tenant())
    await assess(tenant, [request() for _ in range(30)])
    _, report = await api.call(key, "POST", "/v1/fraud/rules/backtest", STRICTER | {"limit": 12})
    assert (report["payments"], report["truncated"]) == (12, True)
    _, report = await api.call(key, "POST", "/v1/fraud/rules/backtest", STRICTER | {"limit": 30})
    assert (report["payments"], report["truncated"]) == (30, False)
    future = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    _, report = await api.call(key, "POST", "/v1/fraud/rules/backtest", {"from": future})
    assert (report["payments"], report["oldest"]) == (0, None)
    for moment, expected in (("0017-07-10T12:57:49.890-07:08", 30), ("9999-01-01T00:00:00Z", 0)):
        status, report = await api.call(key, "POST", "/v1/fraud/rules/backtest", {"from": moment})
        assert (status, report["payments"]) == (200, expected)
        status, report = await api.call(key, "POST", "/v1/fraud/rules/backtest", {"before": moment})
        assert (status, report["payments"]) == (200, 30 - expected)
    _, report = await api.call(other, "POST", "/v1/fraud/rules/backtest", STRICTER)
    assert report["payments"] == 0
    # Payments that were judged before what the rules saw was kept are not guessed at.
    await stores.as_superuser(tenant, "ALTER TABLE fraud.assessments DISABLE TRIGGER USER")
    await stores.as_superuser(
        tenant, """UPDATE fraud.assessments SET feature_set = NULL, feature_values = NULL, features = '{"amount": 1}'"""
    )
    _, report = await api.call(key, "POST", "/v1/fraud/rules/backtest", STRICTER)
    assert (report["payments"], report["without_features"]) == (0, 30)


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"rules": [{"code": "bad_one", "action": "review", "expression": "nope > 1"}]}, 422, "rule_invalid"),
        ({"thresholds": {"nope": 1}}, 422, "threshold_invalid"),
        ({"limit": 0}, 400, "invalid_request"),
        ({"limit": 20_001}, 400, "invalid_request"),
        ({"from": "yesterday"}, 400, "invalid_request"),
        ({"mode": "shadow"}, 400, "invalid_request"),
    ],
)
async def test_a_bad_backtest_is_refused(api: Api, tenant: UUID, body: Any, status: int, code: str) -> None:
    answer = await api.call(api.keys.give(tenant), "POST", "/v1/fraud/rules/backtest", body)
    assert (answer[0], answer[1]["code"]) == (status, code)


async def test_labels_belong_to_judged_payments(api: Api, tenant: UUID) -> None:
    key = api.keys.give(tenant)
    path = f"/v1/fraud/labels/{new_id()}"
    assert (await api.call(key, "PUT", path, {"label": "fraud"}))[1]["code"] == "fraud_assessment_not_found"
    assert (await api.call(key, "GET", path))[1]["code"] == "fraud_label_not_found"
    assert (await api.call(key, "PUT", path, {"label": "odd"}))[0] == 400
