"""Whatever a team changes: a file is refused, or everything can be done with it. Nothing ever fails in between."""

import copy
from collections.abc import Iterator
from typing import Any

import pytest

from bezant.cli.topology_tables import tables
from bezant.topology.cost.bill import make_bill
from bezant.topology.cost.comparison import compare
from bezant.topology.errors import TopologyInvalid
from bezant.topology.loading import load_model, topology_of
from bezant.topology.picture.cost_chart import draw_cost
from bezant.topology.picture.deployment import draw_deployment
from bezant.topology.rules.registry import check

VALUES: tuple[Any, ...] = (None, 0, 1, 1_000_000, 0.001, [], "", True, ...)


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place of a document, lists and mappings included; of several like members only the first."""
    if path:
        yield path
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, (*path, key))
    elif isinstance(value, list):
        for number, inner in enumerate(value[:1]):
            yield from leaves(inner, (*path, number))


def use(document: Any) -> None:
    try:
        topology = topology_of(document, source="any")
    except TopologyInvalid:
        return
    check(topology)
    bill = make_bill(topology) if topology.primary.name in ("us-east-1", "sa-east-1") else None
    if bill is not None:
        draw_cost(compare(load_model("as_documented"), bill))
    draw_deployment(topology)
    tables(topology)


def change_each(value: Any, *, every: int, start: int) -> None:
    """Set each n-th place to the value; `...` removes it."""
    base = load_model("production").model_dump(mode="json")
    for path in list(leaves(base))[start::every]:
        document = copy.deepcopy(base)
        here = document
        for step in path[:-1]:
            here = here[step]
        if value is ...:
            del here[path[-1]]
        else:
            here[path[-1]] = value
        try:
            use(document)
        except Exception as error:
            raise AssertionError(f"{path} = {value!r}: {type(error).__name__}: {error}") from error


@pytest.mark.parametrize("value", VALUES, ids=[repr(value) for value in VALUES])
def test_a_changed_value_never_breaks_anything(value: Any) -> None:
    change_each(value, every=40, start=VALUES.index(value))


@pytest.mark.faults
@pytest.mark.timeout(900)
@pytest.mark.parametrize("value", VALUES, ids=[repr(value) for value in VALUES])
def test_no_changed_value_at_all_breaks_anything(value: Any) -> None:
    change_each(value, every=1, start=0)


def test_no_services_at_all_are_refused() -> None:
    document = load_model("production").model_dump(mode="json") | {"services": []}
    with pytest.raises(TopologyInvalid):
        topology_of(document, source="any")
