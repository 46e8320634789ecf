"""All checks of meaning by name, those that take longest last."""

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from bezant.topology.model.deployment import Topology

from ..rendering import Manifests
from . import network, pods, rollouts, secrets

Check = Callable[[Manifests, Topology], Iterator[str]]
CHECKS: Final[Mapping[str, Check]] = {
    name: check
    for module in (pods, secrets, rollouts, network)
    for name, check in vars(module).items()
    if name.startswith("check_")
}


def findings(manifests: Manifests, model: Topology) -> list[str]:
    """Return what every check finds, each sentence with the check's name."""
    return [f"{name}: {sentence}" for name, check in CHECKS.items() for sentence in check(manifests, model)]
