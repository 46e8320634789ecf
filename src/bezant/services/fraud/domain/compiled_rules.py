"""Rules made ready to run: each expression is compiled once per rule set version.

Source of the language: Common Expression Language specification, https://github.com/google/cel-spec.
"""

import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import cel

from bezant.services.fraud.domain.features import VARIABLES
from bezant.services.fraud.domain.problems import RuleInvalid, ThresholdInvalid
from bezant.services.fraud.domain.rules import (
    THRESHOLDS,
    PartyLists,
    Rule,
    RuleAction,
    Ruleset,
    threshold_values,
)

MAX_RULES: Final = 100
MAX_EXPRESSION_LENGTH: Final = 1_000
# Comprehensions can nest into exponential work, and the only list a rule sees is answered by `in` and `size`.
_COMPREHENSION: Final = re.compile(r"\.\s*(all|exists|exists_one|map|filter)\s*\(|\bcel\s*\.")
_EVALUATION_ERRORS: Final = (ValueError, TypeError, RuntimeError, LookupError, ArithmeticError)
"""What the CEL evaluator raises for an expression that cannot be answered on the given values."""


class Finding(NamedTuple):
    """A rule that matched, or that could not be answered (then it asks for review: doubt is not approval)."""

    reason: str
    action: RuleAction
    score: int


class _CompiledRule(NamedTuple):
    rule: Rule
    program: cel.Program | None
    """None for a stored rule that this version does not understand."""
    needs_velocity: bool


class CompiledRuleset:
    """A rule set with its expressions compiled and its thresholds resolved per currency."""

    def __init__(self, ruleset: Ruleset) -> None:
        """Compile the enabled rules.

        A rule that does not compile asks for review ever after: what is stored was valid for the version that stored
        it, and a replica of another version must not refuse to judge because of it. New ones go through `validated`.
        """
        self.ruleset = ruleset
        self.version = ruleset.version
        self._rules = [_compile_stored(rule) for rule in ruleset.rules if rule.enabled]
        programs = [rule.program for rule in self._rules if rule.program is not None]
        self.variables = frozenset(name for program in programs for name in program.variables())
        self.has_block_lists = ruleset.block_lists != PartyLists()
        self.has_allow_lists = ruleset.allow_lists != PartyLists()
        self._thresholds: dict[str, dict[str, float]] = {}

    def thresholds(self, currency: str) -> dict[str, float]:
        """Return the ``limit_`` variables for a currency."""
        values = self._thresholds.get(currency)
        if values is None:
            values = self._thresholds[currency] = threshold_values(self.ruleset, currency)
        return values

    def evaluate(self, variables: Mapping[str, Any], *, with_velocity: bool) -> list[Finding]:
        """Return what the rules find; without velocity, rules that ask for it are passed over."""
        # Only what the rules name is handed over: each variable costs a conversion.
        context = cel.Context(variables={name: variables[name] for name in self.variables})
        findings = []
        for rule, program, needs_velocity in self._rules:
            if needs_velocity and not with_velocity:
                continue
            matched = _answer(program, context)
            if matched is True:
                findings.append(Finding(rule.code, rule.action, rule.score))
            elif matched is not False:
                findings.append(Finding(f"rule_error:{rule.code}", RuleAction.REVIEW, 50))
        return findings


def _answer(program: cel.Program | None, context: cel.Context) -> object:
    """Return true, false, or None when the rule cannot be answered."""
    if program is None:
        return None
    try:
        return program.execute(context)
    except _EVALUATION_ERRORS:
        return None


def _compile_stored(rule: Rule) -> _CompiledRule:
    try:
        program = _compile(rule)
    except RuleInvalid:
        return _CompiledRule(rule, None, needs_velocity=False)
    return _CompiledRule(rule, program, any(VARIABLES[name].needs_velocity for name in program.variables()))


def _compile(rule: Rule) -> cel.Program:
    """Return what answers the rule. Raises `RuleInvalid`."""
    if len(rule.expression) > MAX_EXPRESSION_LENGTH:
        raise RuleInvalid(
            f"Rule {rule.code!r}: the expression is longer than {MAX_EXPRESSION_LENGTH} characters.",
            rule=rule.code,
        )
    if _COMPREHENSION.search(rule.expression):
        raise RuleInvalid(
            f"Rule {rule.code!r} uses a comprehension (all, exists, map, filter), which rules may not; "
            "use `in` and `size`.",
            rule=rule.code,
        )
    try:
        program = cel.compile(rule.expression)
    except ValueError as error:
        raise RuleInvalid(
            f"Rule {rule.code!r} is not a CEL expression: {str(error).splitlines()[0]}", rule=rule.code
        ) from error
    unknown = sorted(set(program.variables()) - VARIABLES.keys())
    if unknown:
        raise RuleInvalid(
            f"Rule {rule.code!r} uses the unknown variable {unknown[0]!r}. "
            "GET /v1/fraud/rules lists the variables that rules can use.",
            rule=rule.code,
        )
    return program


_SAMPLE_VALUES: Final[dict[str, tuple[Any, Any]]] = {
    "int": (0, 1_000_000),
    "double": (0.0, 1e12),
    "string": ("", "sample"),
    "bool": (False, True),
    "list": ([], ["device_ids"]),
}


def _samples() -> list[dict[str, Any]]:
    """Return variable sets at the ends of the ranges: all low, all high, and every type high in turn."""
    choices: list[set[str]] = [set(), set(_SAMPLE_VALUES), *({kind} for kind in _SAMPLE_VALUES)]
    return [
        {name: _SAMPLE_VALUES[variable.type][variable.type in high] for name, variable in VARIABLES.items()}
        for high in choices
    ]


def validated(ruleset: Ruleset) -> CompiledRuleset:
    """Return the rule set compiled, after trying every rule (disabled ones too) on sample payments.

    Raises `RuleInvalid` naming the first rule that does not compile or does not answer true or false, and
    `ThresholdInvalid` for a threshold that is unknown or below zero.
    """
    for place, values in [("thresholds", ruleset.thresholds), *ruleset.thresholds_by_currency.items()]:
        for name, value in values.items():
            if name not in THRESHOLDS:
                raise ThresholdInvalid(
                    f"{place}: there is no threshold {name!r}; there are {', '.join(THRESHOLDS)}.",
                    threshold=name,
                )
            if not 0 <= value <= 1e18:
                raise ThresholdInvalid(f"{place}: {name} must be between 0 and 1e18.", threshold=name)
    if len(ruleset.rules) > MAX_RULES:
        raise RuleInvalid(f"A rule set holds at most {MAX_RULES} rules.", rule=ruleset.rules[MAX_RULES].code)
    seen: set[str] = set()
    for rule in ruleset.rules:
        if rule.code in seen:
            raise RuleInvalid(f"The rule code {rule.code!r} is used twice.", rule=rule.code)
        seen.add(rule.code)
        program = _compile(rule)
        for sample in _samples():
            try:
                answer = program.execute(cel.Context(variables=sample))
            except _EVALUATION_ERRORS as error:
                raise RuleInvalid(
                    f"Rule {rule.code!r} cannot be evaluated: {str(error).splitlines()[0]}", rule=rule.code
                ) from error
            if not isinstance(answer, bool):
                raise RuleInvalid(
                    f"Rule {rule.code!r} answers {type(answer).__name__}; a rule must answer true or false.",
                    rule=rule.code,
                )
    return CompiledRuleset(ruleset)
