"""Templates, and what every check asks of them."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from bezant.topology.model.deployment import Topology
from bezant.topology.model.network import Region

COUNTS: Final[dict[str, str]] = {}
"""What each tool has looked at in this run, printed at its end."""
Template = dict[str, Any]
Templates = dict[str, Template]
"""Templates by region and part, such as `us-east-1/network`."""
PARTS: Final = ("network", "cluster", "databases", "stores", "edge", "topic", "operations", "backups", "images")
"""What every region has."""


def of_type(template: Template, kind: str) -> dict[str, dict[str, Any]]:
    """Return the properties of the resources of a type, by logical id."""
    return {
        name: one.get("Properties", {}) for name, one in template["Resources"].items() if one["Type"] == f"AWS::{kind}"
    }


def only(template: Template, kind: str) -> dict[str, Any]:
    """Return the properties of the one resource of a type. Raises `ValueError` if there is none or another one."""
    (one,) = of_type(template, kind).values()
    return one


def templates_in(assembly: Path, model: Topology) -> Templates:
    """Return the templates of a synthesised model, by region and part."""
    named = [f"{region.name}/{part}" for region in model.regions for part in PARTS] + [f"{model.primary.name}/dns"]
    return {
        name: json.loads((assembly / f"Bezant-{name.replace('/', '-')}.template.json").read_text("utf-8"))
        for name in named
    }


def regions(templates: Templates, model: Topology, part: str) -> Iterator[tuple[Region, Template]]:
    """Return each region of the model with that template."""
    for region in model.regions:
        yield region, templates[f"{region.name}/{part}"]


def statements(role: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Return what a role's own policies say."""
    for policy in role.get("Policies", []):
        yield from policy["PolicyDocument"]["Statement"]


def text(value: Any) -> str:
    """Return the text of a value, such as an ARN, with X in the places of what CloudFormation fills in."""
    if isinstance(value, dict) and "Fn::Join" in value:
        return "".join(part if isinstance(part, str) else "X" for part in value["Fn::Join"][1])
    return str(value)


def listed(value: Any) -> list[Any]:
    """Return the value if it is a list, else a list of it."""
    return value if isinstance(value, list) else [value]
