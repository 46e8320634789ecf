"""The analysis of a canary, as the chart declares it: which questions are asked, how often, and what ends the rollout.

`analysis.yaml` holds the metrics of the chart's AnalysisTemplates as Argo Rollouts would be given them
(https://argo-rollouts.readthedocs.io/en/stable/features/analysis/); here they are asked of the samples of a rehearsal.
"""

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import resources
from typing import Any, Final

import yaml

from bezant.rehearsal.canary.promql import ask
from bezant.rehearsal.canary.samples import Samples

_CONDITION: Final = re.compile(
    r"(?:(?P<empty>len\(result\) == 0) \|\| )?result\[0\] (?P<how><=|>=|<|>) (?P<limit>[\d.]+)"
)
_HOW: Final[Mapping[str, Callable[[float, float], bool]]] = {
    "<=": operator.le, "<": operator.lt, ">=": operator.ge, ">": operator.gt,
}  # fmt: skip
_ARGUMENT: Final = re.compile(r"\{\{args\.(\w+)-hash\}\}")
_DURATION: Final = re.compile(r"(\d+)([smh])")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600}


class AnalysisNotUnderstood(Exception):
    """A metric of the chart says something that a rehearsal does not know."""


@dataclass(frozen=True, slots=True)
class Condition:
    """When a measurement is a success."""

    text: str
    empty_passes: bool
    how: str
    limit: float

    @classmethod
    def of(cls, text: str) -> "Condition":
        """Read a condition of the chart. Raises `AnalysisNotUnderstood`."""
        found = _CONDITION.fullmatch(text)
        if found is None:
            raise AnalysisNotUnderstood(f"this condition is not understood: {text}")
        return cls(text, found["empty"] is not None, found["how"], float(found["limit"]))

    def holds(self, values: list[float]) -> bool:
        """Whether these values pass. NaN never does."""
        return self.empty_passes if not values else _HOW[self.how](values[0], self.limit)


@dataclass(frozen=True, slots=True)
class Question:
    """One metric of the analysis."""

    name: str
    query: str
    condition: Condition
    interval_seconds: float
    """In the model's time; 0 for one that is asked once."""

    def ask(self, samples: Samples, at_seconds: float) -> list[float]:
        """Return what the samples answer at this moment: nothing while there are too few to judge."""
        return ask(self.query, samples, at_seconds)


@dataclass(frozen=True, slots=True)
class Judgement:
    """A question, asked at a moment, and what came of it."""

    at_seconds: float
    """In the model's time."""
    question: Question
    values: tuple[float, ...]

    @property
    def is_judged(self) -> bool:
        """Whether there was anything to judge."""
        return bool(self.values)

    @property
    def passes(self) -> bool:
        """Whether the rollout goes on."""
        return self.question.condition.holds(list(self.values))


@dataclass(frozen=True, slots=True)
class Analysis:
    """What judges the canary of one service."""

    questions: tuple[Question, ...]
    """Each is asked again and again from the first step on; one that does not pass ends the rollout at once."""
    samples: Question
    """Asked at the end of each step: whether enough was seen to go on."""
    of_stable: Mapping[str, Question] = field(default_factory=dict)
    """Questions about the canary alone, asked about the stable version: whether it would pass, on the same machine."""


def analysis_of(service: str, *, canary: str, stable: str) -> Analysis:
    """Return the analysis of a service, asked about these two arms. Raises `AnalysisNotUnderstood`, KeyError."""
    text = resources.files("bezant.rehearsal.canary").joinpath("analysis.yaml").read_text("utf-8")
    declared = yaml.safe_load(text)[service]
    arms = {"canary": canary, "stable": stable}
    questions = tuple(_question(metric, arms) for metric in declared["canary"])
    exchanged = (_question(metric, {"canary": stable}) for metric in declared["canary"] if _is_of_canary_alone(metric))
    return Analysis(
        questions, _question(declared["samples"][0], arms), {question.name: question for question in exchanged}
    )


def _is_of_canary_alone(metric: Mapping[str, Any]) -> bool:
    return set(_ARGUMENT.findall(metric["provider"]["prometheus"]["query"])) == {"canary"}


def _question(metric: Mapping[str, Any], arms: Mapping[str, str]) -> Question:
    if int(metric.get("failureLimit", 0)) != 0:
        raise AnalysisNotUnderstood(f"{metric['name']}: a failure limit above 0 is not rehearsed")
    query = metric["provider"]["prometheus"]["query"]
    for name, arm in arms.items():
        query = query.replace("{{args." + name + "-hash}}", arm)
    interval = 0.0
    if "interval" in metric:
        found = _DURATION.fullmatch(metric["interval"])
        if found is None:
            raise AnalysisNotUnderstood(f"{metric['name']}: this interval is not understood: {metric['interval']}")
        interval = float(found[1]) * _SECONDS[found[2]]
    return Question(metric["name"], query, Condition.of(metric["successCondition"]), interval)
