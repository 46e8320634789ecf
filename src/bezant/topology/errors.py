"""Errors of the topology. The message says the rule, the place and the numbers."""

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class Violation:
    """One reason why a file is refused: the rule's name, the place in the file, and a sentence with the numbers."""

    rule: str
    place: str
    detail: str

    def __str__(self) -> str:
        return f"{self.rule} at {self.place}: {self.detail}"


class TopologyError(Exception):
    """Base of all."""

    code: ClassVar[str] = "topology_error"


class TopologyInvalid(TopologyError):
    """The file is not a topology: every violation is listed, not only the first."""

    code = "topology_invalid"

    def __init__(self, source: str, violations: list[Violation]) -> None:
        self.source = source
        self.violations = violations
        super().__init__(f"{source} is refused:\n" + "\n".join(f"  {violation}" for violation in violations))


class UnknownTopology(TopologyError):
    """Neither a model of this package nor a file."""

    code = "unknown_topology"


class UnknownAssumption(TopologyError):
    """An assumption that no rule has, or a value it cannot take."""

    code = "unknown_assumption"


class UnknownInstanceType(TopologyError):
    """The catalogue has no such machine."""

    code = "unknown_instance_type"


class NotStated(TopologyError):
    """The chart or the stacks need figures that the model leaves open: each is named."""

    code = "not_stated"

    def __init__(self, name: str, places: list[str], *, what: str = "the chart") -> None:
        self.places = places
        super().__init__(f"{what} cannot be made from {name}, which does not state: {', '.join(places)}")


class WhatIfImpossible(TopologyError):
    """A what-if of the cost report that contradicts itself or the model."""

    code = "what_if_impossible"
