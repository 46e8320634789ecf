"""What the templates must mean, from the model: pure functions from templates to sentences about what is wrong."""

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from bezant.topology.model.deployment import Topology

from . import (
    authorization,
    backups,
    billing,
    cluster,
    databases,
    edge,
    identities,
    images,
    keys,
    network,
    operations,
    stores,
)
from .templates import Templates

Check = Callable[[Templates, Topology], Iterator[str]]
CHECKS: Final[Mapping[str, Check]] = {
    name: check
    for module in (
        network,
        keys,
        cluster,
        identities,
        authorization,
        databases,
        stores,
        edge,
        backups,
        images,
        operations,
        billing,
    )
    for name, check in vars(module).items()
    if name.startswith("check_")
}
