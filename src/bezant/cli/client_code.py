"""Make the typed half of `bezant.client` from the OpenAPI document: one TypedDict for each schema, one method for each
operation, twice: for the asynchronous and for the synchronous client. It is written by `bezant contracts write`, and a
test says when it is no longer that of the document."""

import keyword
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_HEADER = '"""{title}\n\nMade from the OpenAPI document by `bezant contracts write`; do not edit.\n"""\n\n'
_SCALARS = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "null": "None"}
_WIDTH = 110


def client_code(document: dict[str, Any]) -> dict[str, str]:
    """Return the text of each module of `bezant.client.generated`, by file name."""
    groups: dict[str, list[_Operation]] = {}
    for path, methods in sorted(document["paths"].items()):
        for method, described in sorted(methods.items()):
            operation = _operation(method.upper(), path, described, document)
            groups.setdefault(operation.resource, []).append(operation)
    return {
        "models.py": _models(document["components"]["schemas"]),
        "asynchronous.py": _resources(groups, _ASYNCHRONOUS),
        "synchronous.py": _resources(groups, _SYNCHRONOUS),
    }


def class_name(schema: str) -> str:
    """Return the name of the class for a schema: letters and digits alone."""
    return "".join(part[:1].upper() + part[1:] for part in schema.replace("-", "_").split("_") if part)


def annotation(schema: dict[str, Any], prefix: str = "") -> str:  # noqa: PLR0911 - a case for each kind of schema
    """Return the type of a schema's values. `prefix` stands before the names of classes."""
    if "$ref" in schema:
        return prefix + class_name(schema["$ref"].rpartition("/")[2])
    if "const" in schema:
        return f"Literal[{_literal(schema['const'])}]"
    if "enum" in schema:
        return f"Literal[{', '.join(_literal(value) for value in schema['enum'])}]"
    for several in ("anyOf", "oneOf"):
        if several in schema:
            return " | ".join(dict.fromkeys(annotation(one, prefix) for one in schema[several]))
    kind = schema.get("type")
    if kind == "array":
        return f"list[{annotation(schema.get('items', {}), prefix)}]"
    if kind == "object":
        values = schema.get("additionalProperties")
        return f"dict[str, {annotation(values, prefix) if isinstance(values, dict) else 'Any'}]"
    return _SCALARS.get(str(kind), "Any")


def _literal(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else repr(value)


# ---- models -----------------------------------------------------------------------------------------------------


def _models(schemas: dict[str, Any]) -> str:
    lines = [
        _HEADER.format(title="The bodies of requests and answers."),
        "from __future__ import annotations\n\n",
        "from typing import Any, Literal, NotRequired, TypeAlias, TypedDict\n",
    ]
    for name, schema in sorted(schemas.items(), key=lambda item: class_name(item[0])):
        lines.append("\n\n" + "".join(_model(class_name(name), schema)))
    return "".join(lines)


def _model(name: str, schema: dict[str, Any]) -> Iterator[str]:
    properties = schema.get("properties")
    if properties is None:
        yield f'{name}: TypeAlias = "{annotation(schema).replace(chr(34), chr(39))}"\n'
        return
    required = set(schema.get("required", ()))
    fields = {
        field: annotation(inner) if field in required else f"NotRequired[{annotation(inner)}]"
        for field, inner in properties.items()
    }
    if any(keyword.iskeyword(field) or not field.isidentifier() for field in fields):
        inner = ", ".join(f'"{field}": "{kind.replace(chr(34), chr(39))}"' for field, kind in fields.items())
        yield f'{name} = TypedDict("{name}", {{{inner}}})\n'
        return
    yield f"class {name}(TypedDict):\n"
    words = schema.get("description") or (f"A page of {name.removeprefix('Page')}." if name.startswith("Page") else "")
    description = _docstring(words, "    ")
    if description:
        yield description + ("\n" if fields else "")
    for field, kind in fields.items():
        yield f"    {field}: {kind}\n"
    if not fields and not description:
        yield "    pass\n"


def _docstring(text: str, indent: str) -> str:
    text = " ".join(text.split()).replace("\\", "\\\\").replace('"""', "'''")
    if not text:
        return ""
    filled = textwrap.wrap(text, _WIDTH - len(indent) - 6, break_long_words=False, break_on_hyphens=False)
    ending = '"""\n' if len(filled) == 1 else f'\n{indent}"""\n'
    return f'{indent}"""' + f"\n{indent}".join(filled) + ending


# ---- operations -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Operation:
    resource: str
    name: str
    method: str
    path: str
    description: str
    path_parameters: list[str]
    required_query: dict[str, str]
    query: dict[str, str]
    body: str | None
    body_required: bool
    answer: str
    item: str | None
    """The type of one item, when the answer is a page of a list."""


@dataclass(frozen=True)
class _Flavour:
    title: str
    client: str
    base: str
    define: str
    wait: str
    iterator: str


_ASYNCHRONOUS = _Flavour(
    "The operations, asynchronously.", "AsyncRequests", "AsyncApi", "async def", "await ", "AsyncIterator"
)
_SYNCHRONOUS = _Flavour("The operations, synchronously.", "Requests", "Api", "def", "", "Iterator")


def _operation(method: str, path: str, described: dict[str, Any], document: dict[str, Any]) -> _Operation:
    resource, _, name = described["operationId"].partition(".")
    parameters = described.get("parameters", [])
    content = described.get("requestBody", {}).get("content", {}).get("application/json")
    answer, item = _answer(described, document)
    in_path = [one["name"] for one in parameters if one["in"] == "path"]
    required_query = _query(parameters, required=True)
    if "x-bezant-query-form" in described:
        # the same operation, with its parameter in the query: there it may hold what no path can carry
        path, in_path, required_query = described["x-bezant-query-form"], [], dict.fromkeys(in_path, "str")
        described = document["paths"][path][method.lower()]
    return _Operation(
        resource=resource,
        name=name + "_" if keyword.iskeyword(name) else name,
        method=method,
        path=path,
        description=described.get("description") or described.get("summary", ""),
        path_parameters=in_path,
        required_query=required_query,
        query=_query(parameters, required=False),
        body=None if content is None else annotation(content["schema"], "models."),
        body_required=bool(described.get("requestBody", {}).get("required")),
        answer=answer,
        item=item,
    )


def _query(parameters: list[dict[str, Any]], *, required: bool) -> dict[str, str]:
    return {
        one["name"]: annotation(one["schema"], "models.").removesuffix(" | None")
        for one in parameters
        if one["in"] == "query" and one.get("required", False) == required
    }


def _answer(described: dict[str, Any], document: dict[str, Any]) -> tuple[str, str | None]:
    for status, response in sorted(described["responses"].items()):
        if not status.startswith("2"):
            continue
        content = response.get("content", {})
        if not content:
            return "None", None
        if "application/json" not in content:
            return "bytes", None
        schema = content["application/json"]["schema"]
        named = str(schema.get("$ref", "")).rpartition("/")[2]
        if named.startswith("Page_"):
            page = document["components"]["schemas"][named]
            return annotation(schema, "models."), annotation(page["properties"]["data"]["items"], "models.")
        return annotation(schema, "models."), None
    return "Any", None


def _resources(groups: dict[str, list[_Operation]], flavour: _Flavour) -> str:
    lines = [
        _HEADER.format(title=flavour.title),
        "from __future__ import annotations\n\n",
        f"from collections.abc import {flavour.iterator}\n",
        "from typing import Any, Literal, cast\n",
        "from uuid import UUID\n\n",
        "from bezant.client.generated import models\n",
        f"from bezant.client.requests import {flavour.client}, path_of\n",
    ]
    for resource, operations in sorted(groups.items()):
        lines.append(f"\n\nclass {class_name(resource)}:\n")
        lines.append(f'    """Operations below `/v1/{operations[0].path.split("/")[2]}`."""\n\n')
        lines.append(
            f"    def __init__(self, requests: {flavour.client}) -> None:\n        self._requests = requests\n"
        )
        for operation in operations:
            lines.extend(_method(operation, flavour))
    lines.append(f'\n\nclass {flavour.base}:\n    """Every operation, by resource."""\n\n')
    lines.append(f"    def __init__(self, requests: {flavour.client}) -> None:\n")
    lines.extend(f"        self.{resource} = {class_name(resource)}(requests)\n" for resource in sorted(groups))
    return "".join(lines)


def _method(operation: _Operation, flavour: _Flavour) -> Iterator[str]:
    positional = [f"{name}: UUID | str" for name in operation.path_parameters]
    if operation.body is not None:
        positional.append(
            f"body: {operation.body}"
            if operation.body_required
            else f"body: {operation.body.removesuffix(' | None')} | None = None"
        )
    positional += [f"{_python_name(name)}: {kind}" for name, kind in operation.required_query.items()]
    named = [f"{_python_name(name)}: {kind} | None = None" for name, kind in operation.query.items()]
    if operation.method == "POST":
        named.append("idempotency_key: str | None = None")
    arguments = ["self", *positional, *(["*", *named] if named else [])]
    call = [f'"{operation.method}"', _path(operation)]
    if operation.body is not None:
        call.append("body=body")
    if asked := operation.required_query | operation.query:
        inner = ", ".join(f'"{name}": {_python_name(name)}' for name in asked)
        call.append(f"query={{{inner}}}")
    if operation.method == "POST":
        call.append("idempotency_key=idempotency_key")
    sender = "download" if operation.answer == "bytes" else "send"
    sent = f"{flavour.wait}self._requests.{sender}({', '.join(call)})"
    yield f"\n    {flavour.define} {operation.name}({', '.join(arguments)}) -> {operation.answer}:\n"
    yield _docstring(operation.description, "        ")
    if operation.answer in ("None", "bytes"):
        yield f"        {'return ' if operation.answer == 'bytes' else ''}{sent}\n"
    else:
        yield f'        return cast("{operation.answer}", {sent})\n'
    if operation.item is not None:
        yield from _iteration(operation, flavour)


def _iteration(operation: _Operation, flavour: _Flavour) -> Iterator[str]:
    """The companion of a list: every item of all pages."""
    filters = {name: kind for name, kind in operation.query.items() if name != "cursor"}
    named = [f"{_python_name(name)}: {kind} | None = None" for name, kind in filters.items()]
    positional = [f"{name}: UUID | str" for name in operation.path_parameters]
    inner = ", ".join(f'"{name}": {_python_name(name)}' for name in filters)
    arguments = ", ".join(["self", *positional, *(["*", *named] if named else [])])
    name = "iterate" + operation.name.removeprefix("list").removeprefix("get")
    yield f"\n    def {name}({arguments}) -> {flavour.iterator}[{operation.item}]:\n"
    yield f'        """Yield every item of `{operation.name}`, page by page; `limit` is the size of a page."""\n'
    yield (
        f'        return cast("{flavour.iterator}[{operation.item}]", '
        f"self._requests.pages({_path(operation)}, query={{{inner}}}))\n"
    )


def _path(operation: _Operation) -> str:
    if not operation.path_parameters:
        return f'"{operation.path}"'
    return f'path_of("{operation.path}", {", ".join(f"{name}={name}" for name in operation.path_parameters)})'


def _python_name(name: str) -> str:
    return name + "_" if keyword.iskeyword(name) or name in ("type", "id") else name
