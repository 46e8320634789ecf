"""Changed topologies by place, such as `services[payment].replicas`."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from bezant.topology.errors import TopologyInvalid
from bezant.topology.loading import load_model, topology_of
from bezant.topology.model.deployment import Topology

STEP = re.compile(r"([^.\[\]]+)|\[([^\]]+)\]")
NAMES = ("name", "tier", "store", "section", "item")


def member(members: list[Any], name: str) -> Any:
    """Find a list's member by its index, its name, or, for subnets, its tier and zone."""
    if name.isdigit():
        return int(name)
    for number, one in enumerate(members):
        if isinstance(one, dict):
            if f"{one.get('tier')} {one.get('zone')}" == name:
                return number
            if any(one.get(key) == name for key in NAMES):
                return number
    raise KeyError(name)


def set_at(document: Any, place: str, value: Any) -> None:
    """Replace one value of a dumped topology."""
    steps = [word or index for word, index in STEP.findall(place)]
    for step in steps[:-1]:
        document = document[member(document, step)] if isinstance(document, list) else document[step]
    last = steps[-1]
    key = member(document, last) if isinstance(document, list) else last
    document[key]  # the place must exist
    document[key] = value


@pytest.fixture
def production() -> Topology:
    return load_model("production")


@pytest.fixture
def documented() -> Topology:
    return load_model("as_documented")


@pytest.fixture
def with_changes() -> Callable[..., Topology]:
    """Production with some places changed, read like any file."""

    def change(changes: dict[str, Any], model: str = "production") -> Topology:
        document = load_model(model).model_dump(mode="json")
        for place, value in changes.items():
            set_at(document, place, value)
        return topology_of(document, source="changed")

    return change


@pytest.fixture
def refusals(with_changes: Callable[..., Topology]) -> Callable[..., list[Any]]:
    """The violations of a changed production; fails if it is accepted."""

    def refused(changes: dict[str, Any], model: str = "production") -> list[Any]:
        with pytest.raises(TopologyInvalid) as caught:
            with_changes(changes, model)
        return caught.value.violations

    return refused
