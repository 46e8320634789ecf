"""Answer PromQL about `Samples`, as far as the canary's questions go: the chart's own text is asked, not a copy.

Parsed by promql-parser; evaluated here: `increase`, `sum by`, `histogram_quantile`, `vector`, arithmetic, comparisons
with a number, `and` and `or`. Anything else is refused rather than guessed. `tests/chart` holds each answer against
Prometheus' own.

Source: https://prometheus.io/docs/prometheus/latest/querying/; the extrapolation of `increase` follows
https://github.com/prometheus/prometheus/blob/v2.45.0/promql/functions.go (extrapolatedRate).
"""

import math
import operator
import re
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any, Final

import promql_parser as syntax

from bezant.rehearsal.canary.samples import Labels, Samples

Vector = dict[Labels, float]
"""An instant vector: values by labels."""
_EXTRAPOLATED_GAPS: Final = 1.1
_ARITHMETIC: Final[Mapping[str, Callable[[float, float], float]]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": lambda a, b: a / b if b else (math.nan if a == 0 or math.isnan(a) else math.copysign(math.inf, a)),
}
_COMPARISONS: Final[Mapping[str, Callable[[float, float], bool]]] = {
    ">=": operator.ge, ">": operator.gt, "<=": operator.le, "<": operator.lt, "==": operator.eq, "!=": operator.ne,
}  # fmt: skip


class QueryNotUnderstood(Exception):
    """The query uses something that is not evaluated here."""


def ask(query: str, samples: Samples, at_seconds: float) -> list[float]:
    """Return the values that a query answers at a moment. Raises `QueryNotUnderstood`."""
    try:
        expression = syntax.parse(query)
    except ValueError as error:
        raise QueryNotUnderstood(f"{error}: {query}") from error
    value = _Evaluation(samples, at_seconds).value(expression)
    return [value] if isinstance(value, float) else list(value.values())


class _Evaluation:
    def __init__(self, samples: Samples, at_seconds: float) -> None:
        self._samples = samples
        self._at = at_seconds

    def value(self, expression: Any) -> Vector | float:
        match expression:
            case syntax.ParenExpr():
                return self.value(expression.expr)
            case syntax.NumberLiteral():
                return float(expression.val)
            case syntax.AggregateExpr():
                return self._aggregate(expression)
            case syntax.Call():
                return self._call(expression)
            case syntax.BinaryExpr():
                return self._binary(expression)
        raise QueryNotUnderstood(f"not evaluated here: {expression}")

    def _vector(self, expression: Any) -> Vector:
        value = self.value(expression)
        if isinstance(value, float):
            raise QueryNotUnderstood(f"a vector is needed, not a number: {expression}")
        return value

    def _aggregate(self, expression: Any) -> Vector:
        modifier = expression.modifier
        if str(expression.op) != "sum" or (modifier is not None and modifier.type != syntax.AggModifierType.By):
            raise QueryNotUnderstood(f"not evaluated here: {expression}")
        kept = set(modifier.labels) if modifier is not None else set()
        sums: Vector = {}
        for labels, value in self._vector(expression.expr).items():
            group = frozenset(label for label in labels if label[0] in kept)
            sums[group] = sums.get(group, 0.0) + value
        return sums

    def _call(self, expression: Any) -> Vector:
        arguments = list(expression.args)
        match expression.func.name:
            case "increase":
                return self._increase(arguments[0])
            case "vector":
                value = self.value(arguments[0])
                assert isinstance(value, float)
                return {frozenset(): value}
            case "histogram_quantile":
                share = self.value(arguments[0])
                assert isinstance(share, float)
                return _quantiles(share, self._vector(arguments[1]))
        raise QueryNotUnderstood(f"not evaluated here: {expression}")

    def _increase(self, selector: Any) -> Vector:
        chosen = selector.vector_selector
        if chosen.offset is not None or chosen.at is not None or chosen.matchers.or_matchers:
            raise QueryNotUnderstood(f"not evaluated here: {selector}")
        matches = _matcher(chosen.matchers)
        from_seconds = self._at - selector.range.total_seconds()
        found: Vector = {}
        for labels, times, values in self._samples.window(
            chosen.name, matches, from_seconds=from_seconds, to_seconds=self._at
        ):
            if len(times) >= 2:
                found[frozenset(labels.items())] = _extrapolated(times, values, from_seconds, self._at)
        return found

    def _binary(self, expression: Any) -> Vector | float:
        name = str(expression.op)
        modifier = expression.modifier
        matching = modifier.matching if modifier is not None else None
        on = set(matching.labels) if matching is not None else None
        left, right = self.value(expression.lhs), self.value(expression.rhs)
        if name in ("and", "or"):
            assert not isinstance(left, float)
            assert not isinstance(right, float)
            return _set_operation(name, left, right, on)
        if name in _COMPARISONS and not isinstance(left, float) and isinstance(right, float):
            return {labels: value for labels, value in left.items() if _COMPARISONS[name](value, right)}
        if name in _ARITHMETIC and not isinstance(left, float) and not isinstance(right, float) and on is None:
            return {labels: _ARITHMETIC[name](left[labels], right[labels]) for labels in left.keys() & right.keys()}
        raise QueryNotUnderstood(f"not evaluated here: {expression}")


def _matcher(matchers: Any) -> Callable[[Mapping[str, str]], bool]:
    tests: list[Callable[[Mapping[str, str]], bool]] = []
    for one in matchers.matchers:
        name, value, how = one.name, one.value, one.op
        if how == syntax.MatchOp.Equal:
            tests.append(lambda labels, name=name, value=value: labels.get(name, "") == value)  # type: ignore[misc]
        elif how == syntax.MatchOp.NotEqual:
            tests.append(lambda labels, name=name, value=value: labels.get(name, "") != value)  # type: ignore[misc]
        else:
            wanted, pattern = how == syntax.MatchOp.Re, re.compile(value)
            tests.append(
                lambda labels, name=name, pattern=pattern, wanted=wanted: (  # type: ignore[misc]
                    (pattern.fullmatch(labels.get(name, "")) is not None) is wanted
                )
            )
    return lambda labels: all(test(labels) for test in tests)


def _extrapolated(times: list[float], values: list[float], from_seconds: float, to_seconds: float) -> float:
    """Return by how much a counter has risen in the window, a fall being a restart from 0."""
    result = values[-1] - values[0]
    for before, after in pairwise(values):
        if after < before:
            result += before
    sampled = times[-1] - times[0]
    gap = sampled / (len(times) - 1)
    to_start, to_end = times[0] - from_seconds, to_seconds - times[-1]
    if result > 0 and values[0] >= 0:
        # a counter cannot have been below 0 before it was first seen
        to_start = min(to_start, sampled * (values[0] / result))
    longest = gap * _EXTRAPOLATED_GAPS
    covered = sampled + (to_start if to_start < longest else gap / 2) + (to_end if to_end < longest else gap / 2)
    return result * covered / sampled


def _quantiles(share: float, buckets: Vector) -> Vector:
    groups: dict[Labels, list[tuple[float, float]]] = {}
    for labels, count in buckets.items():
        bound = next(value for name, value in labels if name == "le")
        rest = frozenset(label for label in labels if label[0] != "le")
        groups.setdefault(rest, []).append((float(bound), count))
    return {labels: _quantile(share, sorted(found)) for labels, found in groups.items()}


def _quantile(share: float, buckets: list[tuple[float, float]]) -> float:
    """Return the value below which a share of the observations lies, linear within its bucket."""
    if len(buckets) < 2 or not math.isinf(buckets[-1][0]) or buckets[-1][1] == 0:
        return math.nan
    rank = share * buckets[-1][1]
    index = next(i for i, (_, count) in enumerate(buckets) if count >= rank)
    if index == len(buckets) - 1:
        return buckets[-2][0]
    bound, count = buckets[index]
    if index == 0 and bound <= 0:
        return bound
    lower, below = buckets[index - 1] if index else (0.0, 0.0)
    return lower + (bound - lower) * (rank - below) / (count - below)


def _set_operation(name: str, left: Vector, right: Vector, on: set[str] | None) -> Vector:
    def key(labels: Labels) -> Labels:
        return labels if on is None else frozenset(label for label in labels if label[0] in on)

    if name == "and":
        there = {key(labels) for labels in right}
        return {labels: value for labels, value in left.items() if key(labels) in there}
    there = {key(labels) for labels in left}
    return left | {labels: value for labels, value in right.items() if key(labels) not in there}
