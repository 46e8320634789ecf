"""What a rule is: a pure function from a deployment to what is wrong with it, with a name, a reason and a source."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Literal

from bezant.topology.assumptions import Assumptions
from bezant.topology.capacity.scenarios import Placements
from bezant.topology.model.deployment import Topology

Severity = Literal["error", "warning"]


@dataclass(frozen=True)
class Found:
    """What a rule found in one place: a sentence, the arithmetic that shows it, and what to do."""

    place: str
    summary: str
    arithmetic: tuple[str, ...]
    correction: str


@dataclass(frozen=True)
class Finding:
    """A rule's finding as it is reported."""

    rule: str
    severity: Severity
    place: str
    summary: str
    arithmetic: tuple[str, ...]
    correction: str
    assumptions: dict[str, Any]

    def as_document(self) -> dict[str, Any]:
        """Return the finding as JSON-like data."""
        return {
            "rule": self.rule,
            "severity": self.severity,
            "place": self.place,
            "summary": self.summary,
            "arithmetic": list(self.arithmetic),
            "correction": self.correction,
            "assumptions": self.assumptions,
        }


class Deployment:
    """A topology under assumptions, with what several rules derive from it computed once."""

    def __init__(self, topology: Topology, assumptions: Assumptions | None = None) -> None:
        self.topology = topology
        self.assumptions = assumptions or Assumptions()

    @cached_property
    def placements(self) -> Placements:
        """The scheduler's answers in the primary region."""
        return Placements(self.topology, self.topology.primary, self.assumptions)

    @property
    def payments_per_hour(self) -> float:
        """Payments in an average hour: stated, or assumed."""
        stated = self.topology.usage.payments_per_month
        return (self.assumptions.payments_per_month if stated is None else stated) / 730


Check = Callable[[Deployment], Iterator[Found]]
Stated = Callable[[Topology], str | None]


@dataclass(frozen=True)
class Rule:
    """A named rule."""

    name: str
    severity: Severity
    title: str
    reason: str
    source: str
    assumes: tuple[str, ...]
    check: Check
    stated: Stated | None = None
    """What it takes the model's word for, a sentence; None when nothing measured is missing."""

    def findings(self, deployment: Deployment) -> list[Finding]:
        """Return what the rule finds; empty when the deployment keeps it."""
        values = {name: getattr(deployment.assumptions, name) for name in self.assumes}
        return [
            Finding(self.name, self.severity, found.place, found.summary, found.arithmetic, found.correction, values)
            for found in self.check(deployment)
        ]


RULES: Final[dict[str, Rule]] = {}
"""Every rule by name, in the order of the document."""


def rule(
    name: str,
    severity: Severity,
    title: str,
    *,
    reason: str,
    source: str,
    assumes: tuple[str, ...] = (),
    stated: Stated | None = None,
) -> Callable[[Check], Check]:
    """Register a check as a rule. `stated` says what it believes without a measurement or a manifest."""
    if unknown := set(assumes) - set(Assumptions.model_fields):
        raise ValueError(f"{name} assumes {unknown}, which no assumption is called")
    if name in RULES:
        raise ValueError(f"two rules are called {name}")

    def register(check: Check) -> Check:
        RULES[name] = Rule(name, severity, title, reason, source, assumes, check, stated)
        return check

    return register
