"""Models beside the rules: their artefacts and scores."""

import json
from typing import Any
from uuid import UUID

import msgspec
import pytest

from bezant.contracts.internal.fraud import Decision
from bezant.services.fraud.domain.compiled_rules import CompiledRuleset
from bezant.services.fraud.domain.features import FEATURE_NAMES, PaymentFacts, feature_values, variables_of
from bezant.services.fraud.domain.models import ModelInvalid, load_model
from bezant.services.fraud.domain.rules import DEFAULT_RULESET, Rule, RuleAction
from bezant.services.fraud.domain.scoring import judge
from bezant.services.fraud.domain.velocity import EntityVelocity, PaymentVelocity

from .test_fraud_rules import request


def artefact(**changes: Any) -> bytes:
    document = {
        "format": "bezant-fraud-model/1",
        "kind": "logistic",
        "name": "velocity",
        "version": "3",
        "feature_set": 1,
        "trained_at": "2026-01-05T00:00:00Z",
        "parameters": {
            "inputs": [
                {"feature": "source_count_1h", "weight": 2.0, "mean": 3.0, "deviation": 1.5},
                {"feature": "source_amount_1h", "weight": -0.5, "logarithm": True},
            ],
            "bias": 0.25,
        },
    }
    return json.dumps(document | changes).encode()


def features(**source: Any) -> tuple[float, ...]:
    return feature_values(10.0, PaymentVelocity(source=EntityVelocity(**source)))


def test_a_logistic_model_scores_as_its_formula_says() -> None:
    model = load_model(artefact())
    # 0.25 + 2 (6 - 3) / 1.5 - 0.5 ln(1 + 99) = 1.947...; 1 / (1 + e^-1.947...) = 0.875...
    assert model.score(features(count_1h=6, amount_1h=99.0)) == pytest.approx(0.875164, abs=1e-6)
    assert model.score(features(count_1h=10**9)) == pytest.approx(1.0)
    assert 0 <= model.score(features(amount_1h=1e300)) <= 1
    assert model.name.startswith("velocity/3+")
    assert load_model(artefact(version="4")).name != model.name


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"format": "x"}, "format"),
        ({"kind": "oracle"}, "unknown kind 'oracle'"),
        ({"feature_set": 2}, "feature set 2"),
        ({"parameters": {"inputs": [{"feature": "nope", "weight": 1}], "bias": 0}}, "no feature 'nope'"),
        ({"parameters": {"inputs": [{"feature": FEATURE_NAMES[0], "weight": 1, "deviation": 0}], "bias": 0}}, "above"),
        ({"parameters": {"inputs": "x", "bias": 0}}, "velocity/3"),
        ({"parameters": {}}, "velocity/3"),
        ({"name": 5}, "cannot be read"),
    ],
)
def test_an_artefact_that_does_not_fit_is_refused_with_the_reason(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(ModelInvalid, match=reason):
        load_model(artefact(**changes))
    with pytest.raises(ModelInvalid, match="cannot be read"):
        load_model(b"{")


def test_rules_see_the_score_of_an_active_model() -> None:
    rule = Rule(code="model", description="", action=RuleAction.REVIEW, score=50, expression="model_score > 0.8")
    rules = CompiledRuleset(msgspec.structs.replace(DEFAULT_RULESET, rules=(rule,)))
    facts = PaymentFacts.of(request(destination_account_id=UUID(int=5)))
    for score, decision in ((0.0, Decision.APPROVE), (0.81, Decision.REVIEW)):
        assert judge(facts, variables_of(facts, features(), score), rules).decision is decision
