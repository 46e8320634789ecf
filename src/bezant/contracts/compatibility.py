"""Whether a document still keeps what an earlier release promised.

A request that was accepted must be accepted, and an answer or event must be one that the earlier document describes,
but for fields that were added. The rule behind both is one: every value of the narrower schema is a value of the wider
one. For a request the earlier schema is the narrower, for an answer or an event the later is.

Sources: https://json-schema.org/draft/2020-12/schema, https://spec.openapis.org/oas/v3.1.0,
https://www.asyncapi.com/docs/reference/specification/v3.0.0
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

Schema = dict[str, Any]
Document = dict[str, Any]

_AT_MOST = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
_AT_LEAST = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
_METHODS = ("get", "post", "put", "patch", "delete")


def breaking_api_changes(old: Document, new: Document) -> list[str]:
    """Return what clients of the OpenAPI document `old` would notice, each with its place; empty when nothing."""
    return list(_api_changes(old, new))


def breaking_event_changes(old: Document, new: Document) -> list[str]:
    """Return what consumers of the AsyncAPI document `old` would notice, each with its place; empty when nothing."""
    return list(_event_changes(old, new))


def breaking_internal_changes(old: Document, new: Document) -> list[str]:
    """Return what services of two versions would not understand of each other's calls; empty when nothing.

    In a rollout either version asks and answers, so that what one writes the other has to read, both ways.
    """
    found: dict[str, None] = {}
    for path, was in old["operations"].items():
        now = new["operations"].get(path)
        if now is None:
            found[f"{path}: the operation is gone"] = None
            continue
        for part in ("item", "answer"):
            forth = _Comparison(narrower=new, wider=old).differences(now[part], was[part], f"{path}: {part}")
            back = _Comparison(narrower=old, wider=new).differences(was[part], now[part], f"{path}: {part}")
            found |= dict.fromkeys((*forth, *back))
    return list(found)


def _api_changes(old: Document, new: Document) -> Iterator[str]:
    for path, methods in old["paths"].items():
        for method in _METHODS:
            if method not in methods:
                continue
            place = f"{method.upper()} {path}"
            later = new["paths"].get(path, {}).get(method)
            if later is None:
                yield f"{place}: the operation is gone"
                continue
            if methods[method].get("operationId") != later.get("operationId"):
                yield f"{place}: it was called {methods[method].get('operationId')}, now {later.get('operationId')}"
            yield from _request_changes(place, methods[method], later, old, new)
            yield from _response_changes(place, methods[method], later, old, new)


def _request_changes(place: str, was: Schema, now: Schema, old: Document, new: Document) -> Iterator[str]:
    before = {(one["in"], one["name"]): one for one in was.get("parameters", ())}
    after = {(one["in"], one["name"]): one for one in now.get("parameters", ())}
    comparison = _Comparison(narrower=old, wider=new)
    for key, parameter in before.items():
        where = f"{place}: {key[0]} parameter {key[1]}"
        if key not in after:
            yield f"{where} is gone"
            continue
        if after[key].get("required") and not parameter.get("required"):
            yield f"{where} is required now"
        yield from comparison.differences(parameter["schema"], after[key]["schema"], where)
    for key in after.keys() - before.keys():
        if after[key].get("required"):
            yield f"{place}: {key[0]} parameter {key[1]} is new and required"
    body, later = was.get("requestBody"), now.get("requestBody")
    if later is not None and later.get("required") and not (body or {}).get("required"):
        yield f"{place}: a body is required now"
    for kind, content in (body or {}).get("content", {}).items():
        if kind not in (later or {}).get("content", {}):
            yield f"{place}: bodies of {kind} are not taken any more"
        else:
            assert later is not None
            yield from comparison.differences(content["schema"], later["content"][kind]["schema"], f"{place}: body")


def _response_changes(place: str, was: Schema, now: Schema, old: Document, new: Document) -> Iterator[str]:
    comparison = _Comparison(narrower=new, wider=old)
    for status in now["responses"].keys() - was["responses"].keys():
        yield f"{place}: it may answer {status}, which it did not"
    for status, response in was["responses"].items():
        later = now["responses"].get(status, {}).get("content", {})
        for kind, content in response.get("content", {}).items():
            if status in now["responses"] and kind not in later:
                yield f"{place}: {status} is not answered as {kind} any more"
            elif kind in later and "schema" in content:
                yield from comparison.differences(
                    later[kind].get("schema", {}), content["schema"], f"{place}: answer {status}"
                )


def _event_changes(old: Document, new: Document) -> Iterator[str]:
    comparison = _Comparison(narrower=new, wider=old)
    for channel, described in old["channels"].items():
        later = new["channels"].get(channel)
        if later is None:
            yield f"{channel}: the channel is gone"
            continue
        for name in described["messages"].keys() - later["messages"].keys():
            yield f"{channel}: events {name} are gone"
    for name, message in old["components"]["messages"].items():
        later = new["components"]["messages"].get(name)
        if later is not None:
            yield from comparison.differences(later["payload"], message["payload"], name)


@dataclass
class _Comparison:
    """Compares schemas of two documents: is each value of the narrower one a value of the wider one?"""

    narrower: Document
    wider: Document
    _compared: set[tuple[str, str]] = field(default_factory=set)

    def differences(self, narrow: Schema, wide: Schema, place: str) -> Iterator[str]:
        pair = (str(narrow.get("$ref")), str(wide.get("$ref")))
        if "$ref" in narrow and "$ref" in wide:
            if pair in self._compared:
                return
            self._compared.add(pair)
        narrow, wide = _resolved(narrow, self.narrower), _resolved(wide, self.wider)
        yield from self._of_alternatives(_alternatives(narrow), _alternatives(wide), place)

    def _of_alternatives(self, narrow: list[Schema], wide: list[Schema], place: str) -> Iterator[str]:
        if len(narrow) == len(wide) == 1:
            yield from self._of_one(narrow[0], wide[0], place)
            return
        for one in narrow:
            # what is being compared further up is taken as alike, so that recursive schemas come to an end
            tried = [
                list(_Comparison(self.narrower, self.wider, set(self._compared)).differences(one, other, place))
                for other in wide
            ]
            if all(tried):
                # the nearest alternative tells most
                yield from min(tried, key=len)

    def _of_one(self, narrow: Schema, wide: Schema, place: str) -> Iterator[str]:
        if not _bare(wide):
            return
        kinds, allowed = _kinds(narrow), _kinds(wide)
        if allowed is not None and (
            kinds is None or not kinds <= allowed | ({"integer"} if "number" in allowed else set())
        ):
            yield f"{place}: the type is {_named(kinds)} on one side and {_named(allowed)} on the other"
            return
        yield from _of_values(narrow, wide, place)
        yield from self._of_objects(narrow, wide, place)
        if "items" in wide:
            yield from self.differences(narrow.get("items", {}), wide["items"], f"{place}[]")
        for number, element in enumerate(wide.get("prefixItems", ())):
            given = narrow.get("prefixItems", ())
            yield from self.differences(given[number] if number < len(given) else {}, element, f"{place}[{number}]")

    def _of_objects(self, narrow: Schema, wide: Schema, place: str) -> Iterator[str]:
        mine, theirs = narrow.get("properties", {}), wide.get("properties", {})
        for name in sorted(set(wide.get("required", ())) - set(narrow.get("required", ()))):
            yield f"{place}.{name}: one side requires it and the other does not"
        if wide.get("additionalProperties") is False:
            for name in sorted(mine.keys() - theirs.keys()):
                yield f"{place}.{name}: one side knows it and the other forbids it"
        for name in mine.keys() & theirs.keys():
            yield from self.differences(mine[name], theirs[name], f"{place}.{name}")
        values, allowed = narrow.get("additionalProperties"), wide.get("additionalProperties")
        if isinstance(values, dict) and isinstance(allowed, dict):
            yield from self.differences(values, allowed, f"{place}.*")


def _of_values(narrow: Schema, wide: Schema, place: str) -> Iterator[str]:
    given, allowed = _values(narrow), _values(wide)
    if allowed is not None and (given is None or not given <= allowed):
        more = "other values" if given is None else ", ".join(sorted(given - allowed))
        yield f"{place}: {more} on one side only"
    for limit in _AT_MOST:
        if limit in wide and narrow.get(limit, float("inf")) > wide[limit]:
            yield f"{place}: {limit} is {narrow.get(limit, 'not set')} on one side and {wide[limit]} on the other"
    for limit in _AT_LEAST:
        if limit in wide and narrow.get(limit, float("-inf")) < wide[limit]:
            yield f"{place}: {limit} is {narrow.get(limit, 'not set')} on one side and {wide[limit]} on the other"
    for exact in ("pattern", "format"):
        if exact in wide and narrow.get(exact) != wide[exact] and given is None:
            yield f"{place}: {exact} is {narrow.get(exact, 'not set')} on one side and {wide[exact]} on the other"


def _resolved(schema: Schema, document: Document) -> Schema:
    while "$ref" in schema:
        found: Any = document
        for step in schema["$ref"].removeprefix("#/").split("/"):
            found = found[step]
        schema = found
    if "allOf" in schema:
        merged: Schema = {key: value for key, value in schema.items() if key != "allOf"}
        for part in schema["allOf"]:
            inner = _resolved(part, document)
            properties = {**merged.get("properties", {}), **inner.get("properties", {})}
            required = [*merged.get("required", ()), *inner.get("required", ())]
            merged = {**merged, **inner}
            if properties:
                merged["properties"] = properties
            if required:
                merged["required"] = required
        return merged
    return schema


def _alternatives(schema: Schema) -> list[Schema]:
    for several in ("anyOf", "oneOf"):
        if several in schema:
            return [inner for one in schema[several] for inner in _alternatives(one)]
    return [schema]


def _bare(schema: Schema) -> Schema:
    """Return what a schema asks of a value: without names, words and defaults."""
    return {
        key: value
        for key, value in schema.items()
        if key not in ("title", "description", "default", "examples", "deprecated")
    }


def _kinds(schema: Schema) -> set[str] | None:
    kind = schema.get("type")
    if kind is None:
        values = schema.get("enum", [schema["const"]] if "const" in schema else [])
        return {"string"} if values and all(isinstance(value, str) for value in values) else None
    return set(kind) if isinstance(kind, list) else {kind}


def _named(kinds: set[str] | None) -> str:
    return "anything" if kinds is None else " or ".join(sorted(kinds))


def _values(schema: Schema) -> set[str] | None:
    values = schema.get("enum", [schema["const"]] if "const" in schema else None)
    return None if values is None else {repr(value) for value in values}
