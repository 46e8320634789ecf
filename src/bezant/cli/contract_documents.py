"""Make the OpenAPI documents from the services' routers, and the AsyncAPI document from the event contracts."""

import importlib
from typing import Any, cast

import msgspec

import bezant
from bezant.cli.contract_examples import add_examples
from bezant.contracts.event_catalogue import EVENT_CATALOGUE
from bezant.contracts.events import HEARTBEAT, PARTITIONS, ReceivedEnvelope
from bezant.contracts.fleet import SERVICES
from bezant.contracts.internal.catalogue import OPERATIONS
from bezant.foundation.http.app import describe, openapi_document
from bezant.foundation.service import ServiceContext, ServiceParts
from bezant.foundation.settings import Settings
from bezant.foundation.tenancy import TenantDatabases


def openapi_documents() -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Return (the merged document, one document for each service)."""
    each = {service: openapi_document(describe(service, _parts(service).routers)) for service in SERVICES}
    for service, document in each.items():
        add_examples(document, service)
    merged: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {
            "title": "Bezant API",
            "version": bezant.__version__,
            "description": "Open accounts, move money, get webhooks, reconcile. Errors are RFC 9457 problems with a "
            "stable `code`. POST requests that move or create money objects need an `Idempotency-Key`.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "http://127.0.0.1:8080", "description": "A local platform"}],
        "security": [{"api_key": []}],
        "paths": {},
        "components": {"schemas": {}, "securitySchemes": {}, "examples": {}, "responses": {}},
    }
    for document in each.values():
        merged["paths"] |= document["paths"]
        for kind in ("securitySchemes", "examples", "responses"):
            merged["components"][kind] |= document["components"][kind]
        for name, schema in document["components"]["schemas"].items():
            known = merged["components"]["schemas"].setdefault(name, schema)
            if known != schema:
                raise ValueError(f"two services mean different things by the schema {name}; rename one")
    return merged, each


def _parts(service: str) -> ServiceParts:
    """Return a service's parts without anything behind them: enough to look at its routes."""
    nothing = cast(Any, _Nothing())
    settings = Settings()
    databases = None
    if SERVICES[service].schema is not None:
        databases = TenantDatabases(
            service=service, directory=nothing, secrets=nothing, settings=settings, before_events=nothing,
            on_commit=nothing,
        )  # fmt: skip
    context = ServiceContext(
        service=service, settings=settings, secrets=nothing, control=nothing, directory=nothing, internal=nothing,
        valkey=nothing, due_work=nothing, relay=nothing, admission=nothing, tenant_databases=databases,
    )  # fmt: skip
    parts: ServiceParts = importlib.import_module(f"bezant.services.{service}.app").build(context)
    return parts


class _Nothing:
    """Stands for what a route needs only when it is called."""

    def __getattr__(self, name: str) -> "_Nothing":
        return self

    def __call__(self, *_: Any, **__: Any) -> "_Nothing":
        return self


def internal_document() -> dict[str, Any]:
    """Return the document of internal calls: each operation's item and answer as JSON Schema."""
    types = [kind for operation in OPERATIONS.values() for kind in operation]
    references, schemas = msgspec.json.schema_components(types, ref_template="#/components/schemas/{name}")
    pairs = zip(references[::2], references[1::2], strict=True)
    return {
        "version": bezant.__version__,
        "description": "What services ask of each other below `/internal/v1/`: items of many tenants in one call, an "
        "answer for each. Both versions of a rollout read what either writes: fields are only ever added, with a "
        "default, and unknown ones are passed over.",
        "operations": {
            path: {"item": item, "answer": answer} for path, (item, answer) in zip(OPERATIONS, pairs, strict=True)
        },
        "components": {"schemas": schemas},
    }


def asyncapi_document() -> dict[str, Any]:
    """Return the AsyncAPI 3.0 document: every topic, and every type of event with its data."""
    types = dict.fromkeys(event.data for event in EVENT_CATALOGUE.values())
    (envelope, *references), schemas = msgspec.json.schema_components(
        [ReceivedEnvelope, *types], ref_template="#/components/schemas/{name}"
    )
    data_of = dict(zip(types, references, strict=True))
    messages = {
        name: {
            "name": name,
            "contentType": "application/cloudevents+json",
            "payload": {
                "allOf": [
                    envelope,
                    {"properties": {"type": {"const": name}, "data": data_of[event.data]}},
                ]
            },
        }
        for name, event in EVENT_CATALOGUE.items()
    }
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Bezant events",
            "version": bezant.__version__,
            "description": "CloudEvents 1.0 in JSON, keyed by tenant and aggregate, at least once, in order for each "
            "aggregate. `type` names the event, `dataschema` its version; fields are only ever added.",
        },
        "channels": {
            topic: {
                "address": topic,
                "messages": {
                    name: {"$ref": f"#/components/messages/{name}"}
                    for name, event in EVENT_CATALOGUE.items()
                    if event.topic == topic
                },
            }
            for topic in PARTITIONS
            if topic != HEARTBEAT
        },
        "components": {"messages": messages, "schemas": schemas},
    }
