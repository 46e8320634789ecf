"""What is installed means what the model says: every check on every profile finds nothing."""

import pytest

from bezant.topology.model.deployment import Topology

from .checks.registry import CHECKS
from .rendering import PROFILES, Manifests


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("check", CHECKS)
def test_the_check_finds_nothing(check: str, profile: str, model: Topology) -> None:
    assert list(CHECKS[check](Manifests.of(profile), model)) == []
