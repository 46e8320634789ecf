"""All rules together."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from bezant.topology.assumptions import Assumptions
from bezant.topology.model.deployment import Topology
from bezant.topology.rules import (  # noqa: F401 - importing a module registers its rules
    addresses,
    admission,
    autoscaling,
    bill,
    canary,
    connections,
    edge,
    events,
    network,
    nodes,
    placement,
    quotas,
    recovery,
    rollout,
    stores,
)
from bezant.topology.rules.rule import RULES, Deployment, Finding, Rule

ALL_RULES: Final[Mapping[str, Rule]] = MappingProxyType(RULES)


def check(topology: Topology, assumptions: Assumptions | None = None) -> list[Finding]:
    """Return what every rule finds, errors first, else in the order of the rules."""
    deployment = Deployment(topology, assumptions)
    found = [finding for one in ALL_RULES.values() for finding in one.findings(deployment)]
    return sorted(found, key=lambda finding: finding.severity != "error")
