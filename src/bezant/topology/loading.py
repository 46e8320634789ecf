"""Read a topology from YAML, write it back, and give its JSON schema."""

import json
from functools import cache
from importlib.resources import files
from typing import Any, Final

import yaml
from pydantic import ValidationError

from bezant.topology.errors import TopologyInvalid, UnknownTopology, Violation
from bezant.topology.model.deployment import Topology
from bezant.topology.structure import structural_violations
from bezant.topology.yaml_text import as_tuples, parse_yaml, write_yaml

MODELS: Final = ("as_documented", "production")
"""The models of this package."""

SCHEMA_FILE: Final = "topology.schema.json"

_RULE_OF_PYDANTIC_ERROR: Final = {"extra_forbidden": "unknown-key", "missing": "missing-key"}


@cache
def load_model(name: str) -> Topology:
    """Return a model of this package. Raises `UnknownTopology`."""
    if name not in MODELS:
        raise UnknownTopology(f"no model {name!r}: it is neither a file nor one of {', '.join(MODELS)}")
    return parse_topology(files("bezant.topology").joinpath(f"data/{name}.yaml").read_text("utf-8"), source=name)


def parse_topology(text: str, *, source: str) -> Topology:
    """Return the topology of a YAML text. Raises `TopologyInvalid` with every violation, by rule and place."""
    try:
        document = parse_yaml(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"line {mark.line + 1}, column {mark.column + 1}" if mark is not None else "the file"
        sentence = getattr(error, "problem", None) or str(error)
        raise TopologyInvalid(source, [Violation("yaml-malformed", place, sentence)]) from error
    return topology_of(document, source=source)


def topology_of(document: Any, *, source: str) -> Topology:
    """Return the topology of data as YAML or JSON gives it. Raises `TopologyInvalid` with every violation."""
    if not isinstance(document, dict):
        found = "nothing" if document is None else type(document).__name__
        raise TopologyInvalid(source, [Violation("yaml-malformed", "the file", f"a mapping is expected, not {found}")])
    try:
        topology = Topology.model_validate(as_tuples(document))
    except ValidationError as error:
        raise TopologyInvalid(source, [_violation(details, document) for details in error.errors()]) from error
    violations = structural_violations(topology)
    if violations:
        raise TopologyInvalid(source, violations)
    return topology


def dump_topology(topology: Topology) -> str:
    """Return the topology as YAML that `parse_topology` reads back to an equal one."""
    return write_yaml(topology.model_dump(mode="json"))


def json_schema() -> str:
    """Return the JSON schema of a topology file, for editors and for other tools."""
    schema = Topology.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "Bezant topology"
    return json.dumps(schema, indent=2, sort_keys=True) + "\n"


def _violation(details: Any, document: Any) -> Violation:
    place = _place(details["loc"], document)
    rule = _RULE_OF_PYDANTIC_ERROR.get(details["type"], details["type"])
    if rule == "unknown-key":
        return Violation(rule, place, f"the model has no key {details['loc'][-1]!r}")
    if "-" in rule:
        return Violation(rule, place, details["msg"])
    return Violation("invalid-value", place, f"{details['msg']}, but it is {_shortened(details['input'])}")


def _place(location: tuple[Any, ...], document: Any) -> str:
    """Return a path that names list members by their name, such as services[payment].canary.steps[1].weight."""
    path, here = "", document
    for step in location:
        try:
            here = here[step]
        except (KeyError, IndexError, TypeError):
            here = None
        if isinstance(step, int):
            name = here.get("name") if isinstance(here, dict) else None
            path += f"[{name if name is not None else step}]"
        else:
            path += f".{step}" if path else str(step)
    return path or "the file"


def _shortened(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
