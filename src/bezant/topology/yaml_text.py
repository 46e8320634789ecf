"""YAML in and out: no silently repeated keys, no dates, no numbers that are not numbers."""

from collections.abc import Hashable
from typing import Any

import yaml


class RepeatedKey(yaml.YAMLError):
    """A key stands twice in one mapping: YAML would silently keep the second."""


_DEEPEST = 64


class UnreadableValue(yaml.YAMLError):
    """A value that YAML's grammar allows and no number, key or text can be made of."""


_SafeLoader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times faster where libyaml is there
_SafeDumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


class _Loader(_SafeLoader):  # type: ignore[misc]
    """SafeLoader that refuses repeated keys and leaves dates as text."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Hashable, Any]:
    seen: set[Any] = set()
    for key_node, _ in node.value:
        if key_node.tag == "tag:yaml.org,2002:merge":
            continue
        key = loader.construct_object(key_node, deep=True)
        if key in seen:
            line = key_node.start_mark.line + 1
            raise RepeatedKey(f"the key {key!r} stands twice in one mapping, the second time on line {line}")
        seen.add(key)
    loader.flatten_mapping(node)
    mapping: dict[Hashable, Any] = loader.construct_mapping(node, deep=True)
    return mapping


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


class _Dumper(_SafeDumper):  # type: ignore[misc]
    """SafeDumper without anchors."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _refuse_deep_nesting(text: str) -> None:
    # The loader goes down into what is nested by calling itself in C, where too deep is the end of the process.
    depth = 0
    for event in yaml.parse(text, Loader=_SafeLoader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > _DEEPEST:
                line = "" if event.start_mark is None else f" on line {event.start_mark.line + 1}"
                raise UnreadableValue(f"more than {_DEEPEST} collections stand in one another{line}")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def parse_yaml(text: str) -> Any:
    """Return the document as JSON-like data with tuples for lists. Raises `yaml.YAMLError`."""
    _refuse_deep_nesting(text)
    try:
        return as_tuples(yaml.load(text, Loader=_Loader))  # noqa: S506 - a SafeLoader
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        # The loader lets through what its constructors raise: numbers of thousands of digits, lists as keys.
        raise UnreadableValue(str(error)) from error


def write_yaml(document: Any) -> str:
    """Return the document as YAML, keys in their own order."""
    return yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)


def as_tuples(value: Any) -> Any:
    """Return the data with tuples for lists, which is what strict models take."""
    if isinstance(value, dict):
        return {key: as_tuples(item) for key, item in value.items()}
    if isinstance(value, list):
        return tuple(as_tuples(item) for item in value)
    return value
