"""Examples for every operation and every error of the OpenAPI documents.

What a body looks like is put together from the schema: a field's own example where it has one, else a value that fits
its name, format and limits. Each is checked against its schema by a test. The errors are the problems that the code
knows: those of every service, and those that a service adds.
"""

import hashlib
import importlib
import inspect
from collections.abc import Iterator
from typing import Any, Final

import bezant.contracts.problems
from bezant.contracts.problems import Problem

Schema = dict[str, Any]

BY_NAME: Final[dict[str, Any]] = {
    "amount_minor": 1250,
    "currency": "USD",
    "default_currency": "USD",
    "country": "BR",
    "ip": "203.0.113.7",
    "email": "ana@example.com",
    "address": "risk@example.com",
    "url": "https://shop.example.com/webhooks",
    "redirect_uri": "http://127.0.0.1:8765/callback",
    "device_id": "device-4711",
    "user_agent": "Mozilla/5.0",
    "actor": "key:k3v9q2x7m1ab",
    "created_by": "key:k3v9q2x7m1ab",
    "key_id": "k3v9q2x7m1ab",
    "api_key": "bz_k3v9q2x7m1ab_" + "s" * 43,
    "secret": "whsec_" + "QmV6YW50IGV4YW1wbGUgc2VjcmV0IQ==",
    "scopes": ["payments:read", "payments:write"],
    "next_cursor": None,
    "reason_code": None,
    "expression": "amount > 100000 && source.count_1h > 5",
    "topic": "payment.events",
    "event_filters": ["payment.*"],
    "slug": "acme",
    "status": None,
    "name": "Ana Souza",
    "reference": "invoice 2026-114",
    "note": "Spoke to the customer; the order is genuine.",
    "assignee": "operator:ana@example.com",
    "decided_by": None,
    "error": None,
    "last_error": None,
    "last_status_code": 200,
    "status_code": 200,
    "status_reason": None,
    "event_type": "payment.captured",
    "type": "payment.captured",
    "kind": "onboarding",
    "tier": "shared",
    "act": "tenant.suspended",
    "subject": "019ab2c0-4f10-7c99-87de-6123958e0f18",
    "description": "orders",
    "reason": "velocity_1h",
    "body": "A payment of ${data.amount} was captured.",
    "previous_public_key": None,
    "replaced_by": None,
    "batch_id": None,
    "onboarding": "/v1/tenants/019ab2c0-4f10-7a56-8145-270ce6b3bebd/onboarding",
    "rate_limit_per_second": 5000,
    "daily_limit_minor": 500_000,
    "overdraft_limit_minor": 0,
    "tree_size": 7082,
    "position": 7081,
    "score": 35,
    "verifier_key": "auditor.example.com+3f2a9c1d+AQ" + "A" * 43 + "=",
}
"""Values by the field's name; None: nothing of the kind, where the schema allows it."""

_ANA, _SHOP = "019ab2c0-4f10-7043-8890-24891c98da47", "019ab2c0-4f10-7aca-8f1d-73234960ed65"
_AMOUNT: Final = {"amount_minor": 1250, "currency": "USD"}
_TRANSFER: Final = {
    "debit_account_id": _ANA,
    "credit_account_id": _SHOP,
    "amount": _AMOUNT,
    "reference": "invoice 2026-114",
}
REQUESTS: Final[dict[str, Any]] = {
    "transfers.create": {**_TRANSFER, "pending": True},
    "transfers.create_batch": {"atomic": True, "transfers": [_TRANSFER]},
    "transfers.post": {"amount": _AMOUNT},
    "transfers.void": {"reference": "order cancelled"},
    "transfers.reverse": {"reference": "booked twice"},
    "payments.create": {
        "source_account_id": _ANA,
        "destination_account_id": _SHOP,
        "amount": _AMOUNT,
        "splits": [{"account_id": "019ab2c0-4f10-7739-8b09-3ae9fbb013e2", "amount_minor": 125}],
        "reference": "invoice 2026-114",
        "context": {"ip": "203.0.113.7", "device_id": "device-4711", "country": "BR"},
        "metadata": {"order": "A-1042"},
    },
    "payments.capture": {"amount_minor": 1000},
    "payments.refund": {"amount_minor": 250, "reference": "one item returned"},
    "accounts.update_limits": {"daily_limit_minor": 500_000},
    "accounts.update": {"name": "Ana Souza", "metadata": {"segment": "retail"}},
    "webhook_endpoints.update": {"event_filters": ["payment.*"], "status": "enabled"},
    "webhook_endpoints.replay": {"since_sequence": 1},
    "email_subscriptions.update": {"event_filters": ["fraud.*"]},
    "email_subscriptions.replay": {"status": "dead"},
}
"""Requests of which the fields depend on one another."""
MOMENT: Final = "2026-11-23T10:15:00Z"


def add_examples(document: dict[str, Any], service: str) -> None:
    """Put an example on each request and answer of a service's document, and the problems on each default answer."""
    components = document["components"]
    composer = _Composer(components["schemas"])
    for path in document["paths"].values():
        for operation in path.values():
            for content in _contents(operation):
                if "schema" in content:
                    content["example"] = composer.value(content["schema"], "")
            if operation["operationId"] in REQUESTS:
                operation["requestBody"]["content"]["application/json"]["example"] = REQUESTS[operation["operationId"]]
            operation["responses"]["default"] = {"$ref": f"#/components/responses/problem_of_{service}"}
    problems = {problem.code: problem for problem in known_problems(service)}
    components.setdefault("examples", {}).update(
        {
            f"problem_{code}": {"summary": problem.title, "value": _document(problem)}
            for code, problem in problems.items()
        }
    )
    components.setdefault("responses", {})[f"problem_of_{service}"] = {
        "description": "A problem, after RFC 9457",
        "content": {
            "application/problem+json": {
                "schema": {"$ref": "#/components/schemas/Problem"},
                "examples": {code: {"$ref": f"#/components/examples/problem_{code}"} for code in sorted(problems)},
            }
        },
    }


def known_problems(service: str) -> Iterator[type[Problem]]:
    """Yield the problems that a service may answer with: those of all services and its own."""
    own = importlib.import_module(f"bezant.services.{service}.domain.problems")
    for module in (bezant.contracts.problems, own):
        for _, found in inspect.getmembers(module, inspect.isclass):
            if issubclass(found, Problem) and found.__module__ == module.__name__:
                yield found


def _document(problem: type[Problem]) -> dict[str, Any]:
    said = " ".join((inspect.getdoc(problem) or problem.title).split("\n\n")[0].split())
    return problem(said).document()


def _contents(operation: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from operation.get("requestBody", {}).get("content", {}).values()
    for status, response in operation["responses"].items():
        if status.startswith("2"):
            content = response.get("content", {})
            if "application/json" in content:
                yield content["application/json"]


class _Composer:
    def __init__(self, schemas: dict[str, Schema]) -> None:
        self._schemas = schemas

    def value(self, schema: Schema, name: str, depth: int = 0) -> Any:
        """Return a value of the schema for a field of that name."""
        if "$ref" in schema:
            target = schema["$ref"].rpartition("/")[2]
            return self.value(self._schemas[target], name, depth)
        if "examples" in schema:
            return schema["examples"][0]
        alternatives = schema.get("anyOf") or schema.get("oneOf")
        if alternatives is not None:
            return self._of_alternatives(alternatives, schema, name, depth)
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return schema["enum"][0]
        return self._of_kind(schema, name, depth)

    def _of_alternatives(self, alternatives: list[Schema], schema: Schema, name: str, depth: int) -> Any:
        nullable = any(one.get("type") == "null" for one in alternatives)
        if nullable and (BY_NAME.get(name, "") is None or depth > _DEEPEST or _is_left_out(name)):
            return None
        if schema.get("default") is not None:
            return schema["default"]
        return self.value(next(one for one in alternatives if one.get("type") != "null"), name, depth)

    def _of_kind(self, schema: Schema, name: str, depth: int) -> Any:  # noqa: PLR0911 - a case for each type
        kind = schema.get("type")
        if kind == "object" or "properties" in schema:
            return self._of_object(schema, depth)
        if kind == "array":
            known = BY_NAME.get(name)
            if isinstance(known, list):
                return known
            return [self.value(schema.get("items", {}), _singular(name), depth + 1)] if depth <= _DEEPEST else []
        if schema.get("default") is not None and name not in BY_NAME:
            return schema["default"]
        if kind in ("integer", "number"):
            return _number(schema, name)
        if kind == "boolean":
            return True
        return _text(schema, name)

    def _of_object(self, schema: Schema, depth: int) -> Any:
        properties: dict[str, Schema] = schema.get("properties", {})
        if not properties:
            return schema.get("default") or {}
        required = set(schema.get("required", ()))
        return {
            field: self.value(inner, field, depth + 1)
            for field, inner in properties.items()
            if field in required or "examples" in inner or depth == 0
        }


_DEEPEST: Final = 4


def _is_left_out(name: str) -> bool:
    """Whether an optional field is better shown empty: what ended, failed or was replaced is the exception."""
    return name.endswith(("_at", "_before", "_until")) or name in ("before", "legs", "error", "problem", "rules")


def _number(schema: Schema, name: str) -> Any:
    least = schema.get("minimum", schema.get("exclusiveMinimum", 0) + ("exclusiveMinimum" in schema))
    wanted = BY_NAME.get(name) or 1
    value = max(least, min(wanted, schema.get("maximum", wanted)))
    return int(value) if schema["type"] == "integer" else value


def _text(schema: Schema, name: str) -> Any:  # noqa: PLR0911 - a case for each format
    match schema.get("format"):
        case "uuid":
            digest = hashlib.sha256(name.encode()).hexdigest()
            return f"019ab2c0-4f10-7{digest[:3]}-8{digest[3:6]}-{digest[6:18]}"
        case "date-time":
            return MOMENT
        case "uri":
            return BY_NAME["url"]
    if schema.get("pattern") == "^[0-9a-f]{64}$":
        return hashlib.sha256(name.encode()).hexdigest()
    known = BY_NAME.get(name)
    if isinstance(known, str):
        return known
    if name.endswith("_at"):
        return MOMENT
    return name.replace("_", " ")[: schema.get("maxLength", 100)] or "text"


def _singular(name: str) -> str:
    return name.removesuffix("s")
