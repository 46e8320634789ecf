"""What differs between two topologies, by place, with the rule that explains it."""

import re
from dataclasses import dataclass
from typing import Any

from bezant.topology.model.deployment import Topology
from bezant.topology.rules.rule import Finding

_ABSENT = object()


@dataclass(frozen=True)
class Difference:
    """One place where the two have other values; None stands for a value that is not stated."""

    place: str
    left: Any
    right: Any
    rules: tuple[str, ...] = ()

    def as_document(self) -> dict[str, Any]:
        """Return the difference as JSON-like data."""
        return {"place": self.place, "left": self.left, "right": self.right, "rules": list(self.rules)}


def differences(left: Topology, right: Topology, findings: list[Finding] | None = None) -> list[Difference]:
    """Return every difference, in the order of the model. `findings` of either one explain those at their places."""
    found: list[Difference] = []
    _walk("", left.model_dump(mode="json"), right.model_dump(mode="json"), found)
    return [
        Difference(one.place, one.left, one.right, _explained(one.place, findings or []))
        for one in found
        if one.place not in ("name", "description")
    ]


def _explained(place: str, findings: list[Finding]) -> tuple[str, ...]:
    """Return the rules that found something at that place or at a part of it, or at what it is a part of."""
    names = []
    for finding in findings:
        there = finding.place
        if _within(place, there) or _within(there, place):
            names.append(finding.rule)
    return tuple(dict.fromkeys(names))


def _within(inner: str, outer: str) -> bool:
    pattern = re.escape(outer).replace(re.escape("[*]"), r"\[[^\]]*\]")
    return re.match(pattern + r"($|[.\[])", inner) is not None


def _walk(place: str, left: Any, right: Any, found: list[Difference]) -> None:
    if isinstance(left, dict) and isinstance(right, dict):
        for key in dict.fromkeys((*left, *right)):
            inner = f"{place}.{key}" if place else str(key)
            _walk(inner, left.get(key, _ABSENT), right.get(key, _ABSENT), found)
    elif isinstance(left, list) and isinstance(right, list) and (_named(left) or _named(right)):
        lefts, rights = _by_name(left), _by_name(right)
        for name in dict.fromkeys((*lefts, *rights)):
            _walk(f"{place}[{name}]", lefts.get(name, _ABSENT), rights.get(name, _ABSENT), found)
    elif left is _ABSENT or right is _ABSENT or left != right:
        found.append(Difference(place, _shown(left), _shown(right)))


_NAMES = ("name", "tier", "store", "section", "item")


def _named(members: list[Any]) -> bool:
    return bool(members) and all(isinstance(member, dict) and _name(member) is not None for member in members)


def _name(member: dict[str, Any]) -> str | None:
    if "cidr" in member:
        return f"{member['tier']} {member['zone']}"
    return next((str(member[key]) for key in _NAMES if key in member), None)


def _by_name(members: list[Any]) -> dict[str, Any]:
    return {str(_name(member)): member for member in members}


def _shown(value: Any) -> Any:
    return "absent" if value is _ABSENT else value
