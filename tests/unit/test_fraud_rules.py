"""Rule sets and scoring, without stores."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bezant.contracts.currencies import CURRENCIES
from bezant.contracts.internal.fraud import AssessmentRequest, Decision, PaymentContext
from bezant.services.fraud.domain.compiled_rules import MAX_RULES, CompiledRuleset, validated
from bezant.services.fraud.domain.features import (
    FEATURE_NAMES,
    VARIABLES,
    PaymentFacts,
    feature_values,
    lists_matched,
    variables_of,
)
from bezant.services.fraud.domain.problems import RuleInvalid, ThresholdInvalid
from bezant.services.fraud.domain.rules import (
    CURRENCY_MAGNITUDES,
    DEFAULT_RULESET,
    THRESHOLDS,
    PartyLists,
    Rule,
    RuleAction,
    Ruleset,
    threshold_values,
)
from bezant.services.fraud.domain.scoring import Judgement, judge
from bezant.services.fraud.domain.velocity import EntityVelocity, PaymentVelocity, amount_major


def request(amount_minor: int = 1_000, **changes: Any) -> AssessmentRequest:
    values: dict[str, Any] = {
        "payment_id": UUID(int=9),
        "source_account_id": UUID(int=1),
        "destination_account_id": UUID(int=2),
        "amount_minor": amount_minor,
        "currency": "USD",
        "created_at": datetime(2026, 1, 5, 3, 0, tzinfo=UTC),
    }
    return AssessmentRequest(**(values | changes))


def judged(
    asked: AssessmentRequest, rules: CompiledRuleset, velocity: PaymentVelocity | None
) -> tuple[Judgement, dict[str, Any]]:
    facts = PaymentFacts.of(asked)
    features = feature_values(amount_major(asked.amount_minor, asked.currency), velocity or PaymentVelocity())
    variables = variables_of(facts, features, 0.0)
    return judge(facts, variables, rules, with_velocity=velocity is not None), variables


def ruleset(*rules: Rule, **changes: Any) -> Ruleset:
    return msgspec.structs.replace(DEFAULT_RULESET, rules=rules or DEFAULT_RULESET.rules, **changes)


def rule(code: str, expression: str, action: RuleAction = RuleAction.REVIEW, score: int = 50) -> Rule:
    return Rule(code=code, description="", action=action, score=score, expression=expression)


def test_the_rule_set_that_ships_is_valid_and_has_five_rules() -> None:
    assert len(DEFAULT_RULESET.rules) == 5
    assert validated(DEFAULT_RULESET).version == 1


def test_every_variable_is_handed_to_the_rules() -> None:
    everything = rule("all", " || ".join(f"{name} == {name}" for name in list(VARIABLES)[:12]))
    compiled = CompiledRuleset(ruleset(everything))
    _, variables = judged(request(), compiled, None)
    assert variables.keys() == VARIABLES.keys()
    assert set(FEATURE_NAMES) < VARIABLES.keys()


def test_every_variable_has_the_type_it_is_said_to_have() -> None:
    kinds = {"int": int, "double": float, "string": str, "bool": bool, "list": list}
    for velocity in (PaymentVelocity(), BUSY):
        _, variables = judged(request(), CompiledRuleset(DEFAULT_RULESET), velocity)
        wrong = [name for name, value in variables.items() if type(value) is not kinds[VARIABLES[name].type]]
        assert wrong == []


BUSY = PaymentVelocity(
    source=EntityVelocity(
        count_24h=6, count_7d=14, age_ms=7 * 86_400_000, earlier_count=20, earlier_amount=100.0, earlier_largest=9.0
    ),
    destination=EntityVelocity(earlier_count=2, earlier_amount=40.0),
    pair=EntityVelocity(earlier_count=1),
)


def test_ratios_compare_a_payment_with_the_account_s_own_history() -> None:
    _, seen = judged(request(1_000), CompiledRuleset(DEFAULT_RULESET), BUSY)
    assert (seen["source_earlier_average"], seen["source_amount_ratio"]) == (5.0, 2.0)
    assert (seen["destination_earlier_average"], seen["destination_amount_ratio"]) == (20.0, 0.5)
    # Six today, of fourteen in seven days: three times a usual day.
    assert (seen["source_count_ratio"], seen["source_age_seconds"]) == (3.0, 7 * 86_400)
    assert seen["destination_is_new"] is False
    _, first = judged(request(1_000), CompiledRuleset(DEFAULT_RULESET), PaymentVelocity())
    assert (first["source_amount_ratio"], first["source_count_ratio"], first["destination_is_new"]) == (1.0, 1.0, True)


@pytest.mark.parametrize(
    ("velocity", "context", "amount_minor", "decision", "reasons"),
    [
        ({}, {}, 1_000, Decision.APPROVE, []),
        ({"count_1m": 100}, {}, 1_000, Decision.APPROVE, []),
        ({"count_1m": 101}, {}, 1_000, Decision.DECLINE, ["velocity_burst"]),
        ({"count_1h": 2_001}, {}, 1_000, Decision.DECLINE, ["velocity_burst"]),
        ({"new": True}, {}, 250_000, Decision.APPROVE, []),
        ({"new": True}, {}, 250_001, Decision.REVIEW, ["new_destination_large"]),
        ({}, {}, 1_000_001, Decision.REVIEW, ["high_amount"]),
        ({}, {}, 10_000_001, Decision.DECLINE, ["outside_policy", "high_amount"]),
        ({"count_1m": 101}, {}, 1_000_001, Decision.DECLINE, ["velocity_burst", "high_amount"]),
    ],
)
def test_each_rule_that_ships_matches_above_its_threshold_only(
    velocity: dict[str, Any],
    context: dict[str, Any],
    amount_minor: int,
    decision: Decision,
    reasons: list[str],
) -> None:
    is_new = velocity.pop("new", False) if (velocity := dict(velocity)) else False
    seen = PaymentVelocity(source=EntityVelocity(**velocity), pair=EntityVelocity(earlier_count=not is_new))
    judgement, _ = judged(
        request(amount_minor, context=PaymentContext(**context)), CompiledRuleset(DEFAULT_RULESET), seen
    )
    assert (judgement.decision, judgement.reasons) == (decision, reasons)


@pytest.mark.parametrize(("accounts", "decision"), [(5, Decision.APPROVE), (6, Decision.REVIEW)])
def test_a_shared_device_is_one_of_more_than_five_accounts(accounts: int, decision: Decision) -> None:
    seen = PaymentVelocity(device=EntityVelocity(partners_24h=accounts))
    with_device = request(context=PaymentContext(device_id="d"))
    assert judged(with_device, CompiledRuleset(DEFAULT_RULESET), seen)[0].decision is decision


def test_without_velocity_only_rules_that_need_none_judge() -> None:
    compiled = CompiledRuleset(ruleset(rule("velocity", "source_count_1m >= 0"), rule("plain", "amount > 5.0")))
    assert judged(request(), compiled, None)[0].reasons == ["plain"]
    assert judged(request(), compiled, PaymentVelocity())[0].reasons == ["velocity", "plain"]


@pytest.mark.parametrize(
    ("velocity", "amount_minor", "decision", "reasons"),
    [
        (None, 250_000, Decision.APPROVE, []),
        (None, 250_001, Decision.REVIEW, ["unsure"]),
        (PaymentVelocity(), 250_001, Decision.APPROVE, []),
    ],
)
def test_a_rule_may_ask_whether_the_counters_answered(
    velocity: PaymentVelocity | None, amount_minor: int, decision: Decision, reasons: list[str]
) -> None:
    rules = ruleset(rule("unsure", "!velocity_known && amount > limit_new_destination_amount"))
    judgement, _ = judged(request(amount_minor), validated(rules), velocity)
    assert (judgement.decision, judgement.reasons) == (decision, reasons)


def test_a_stored_rule_of_another_version_that_is_not_understood_asks_for_review_and_the_others_judge() -> None:
    rules = ruleset(rule("later", "variable_of_a_later_version > 1"), rule("plain", "amount > 5.0"))
    judgement, _ = judged(request(), CompiledRuleset(rules), None)
    assert (judgement.decision, judgement.reasons) == (Decision.REVIEW, ["rule_error:later", "plain"])
    with pytest.raises(RuleInvalid, match="variable_of_a_later_version"):
        validated(rules)


def test_a_rule_that_fails_on_a_payment_asks_for_review() -> None:
    compiled = CompiledRuleset(ruleset(rule("odd", "1000 / (amount_minor - 1000) > 1")))
    judgement, _ = judged(request(1_000), compiled, PaymentVelocity())
    assert (judgement.decision, judgement.reasons) == (Decision.REVIEW, ["rule_error:odd"])


def test_a_decline_outweighs_reviews_and_the_score_is_capped() -> None:
    compiled = CompiledRuleset(
        ruleset(rule("a", "true", score=90), rule("b", "true", RuleAction.DECLINE, score=10), rule("c", "true"))
    )
    judgement, _ = judged(request(), compiled, PaymentVelocity())
    assert (judgement.decision, judgement.score, judgement.reasons) == (Decision.DECLINE, 100, ["b", "a", "c"])


def test_disabled_rules_do_not_judge_but_are_validated() -> None:
    off = msgspec.structs.replace(rule("off", "true"), enabled=False)
    assert judged(request(), CompiledRuleset(ruleset(off)), PaymentVelocity())[0].decision is Decision.APPROVE
    with pytest.raises(RuleInvalid, match="off"):
        validated(ruleset(msgspec.structs.replace(off, expression="nonsense")))


def test_thresholds_of_one_currency_go_before_the_general_ones() -> None:
    rules = ruleset(thresholds={"review_amount": 50.0}, thresholds_by_currency={"JPY": {"review_amount": 7.0}})
    assert threshold_values(rules, "USD")["limit_review_amount"] == 50.0
    assert threshold_values(rules, "KRW")["limit_review_amount"] == 50_000.0
    assert threshold_values(rules, "JPY")["limit_review_amount"] == 7.0
    # A count is a count in every currency.
    assert threshold_values(rules, "KRW")["limit_burst_count_1m"] == THRESHOLDS["burst_count_1m"].default


def test_magnitudes_are_of_known_currencies() -> None:
    assert CURRENCY_MAGNITUDES.keys() <= CURRENCIES.keys()


@pytest.mark.parametrize(
    ("amount_minor", "currency", "major"), [(1_250, "USD", 12.5), (1_250, "JPY", 1_250.0), (1_250, "KWD", 1.25)]
)
def test_amounts_are_judged_in_major_units(amount_minor: int, currency: str, major: float) -> None:
    assert amount_major(amount_minor, currency) == major


def test_duplicate_codes_too_many_rules_and_unknown_thresholds_are_refused() -> None:
    with pytest.raises(RuleInvalid, match="twice"):
        validated(ruleset(rule("a", "true"), rule("a", "false")))
    with pytest.raises(RuleInvalid, match="at most"):
        validated(ruleset(*(rule(f"r{n}", "true") for n in range(MAX_RULES + 1))))
    with pytest.raises(ThresholdInvalid, match="no threshold 'x'"):
        validated(ruleset(thresholds={"x": 1.0}))
    with pytest.raises(ThresholdInvalid, match="between 0"):
        validated(ruleset(thresholds_by_currency={"USD": {"review_amount": -1.0}}))


def test_a_party_on_an_allow_list_is_not_held_and_still_declined() -> None:
    rules = ruleset(
        rule("large", "amount > 5.0"),
        rule("blocked_party", "size(blocked) > 0", RuleAction.DECLINE),
        allow_lists=PartyLists(device_ids=frozenset({"d"})),
        block_lists=PartyLists(countries=frozenset({"KP"})),
    )
    known, elsewhere = PaymentContext(device_id="d"), PaymentContext(device_id="d", country="KP")
    judgement, _ = judged(request(context=known), CompiledRuleset(rules), BUSY)
    assert judgement == Judgement(Decision.APPROVE, 50, ["allow_listed", "large"])
    assert judged(request(), CompiledRuleset(rules), BUSY)[0].decision is Decision.REVIEW
    assert judged(request(context=elsewhere), CompiledRuleset(rules), BUSY)[0].decision is Decision.DECLINE


@pytest.mark.parametrize(
    ("lists", "matched"),
    [
        ({"account_ids": {str(UUID(int=1))}}, ["account_ids"]),
        ({"account_ids": {str(UUID(int=2))}}, ["account_ids"]),
        ({"account_ids": {str(UUID(int=3))}, "emails": {"a@b.de"}}, ["emails"]),
        ({"ips": {"203.0.113.9"}, "device_ids": {"x"}, "countries": {"DE"}}, ["ips", "countries"]),
    ],
)
def test_lists_match_either_account_and_each_part_of_the_context(
    lists: dict[str, set[str]], matched: list[str]
) -> None:
    context = PaymentContext(ip="203.0.113.9", email="A@b.de", country="de")
    parties = PartyLists(**{kind: frozenset(names) for kind, names in lists.items()})
    assert lists_matched(PaymentFacts.of(request(context=context)), parties) == matched
    assert lists_matched(PaymentFacts.of(request(source_account_id=UUID(int=9))), parties) == [
        kind for kind in matched if lists[kind] & {str(UUID(int=2))}
    ]


@given(st.text(max_size=60))
def test_any_text_as_an_expression_is_answered_or_refused(text: str) -> None:
    try:
        compiled = validated(ruleset(rule("r", text)))
    except RuleInvalid:
        return
    assert judged(request(), compiled, PaymentVelocity())[0].decision in Decision
