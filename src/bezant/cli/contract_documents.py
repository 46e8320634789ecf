"""Make the OpenAPI documents from the services' routers, and the AsyncAPI document from the event contracts."""

import importlib
from typing import Any, cast

import msgspec

import bezant
from bezant.contracts import account_events, fraud_events, ledger_events, notification_events, payment_events
from bezant.contracts.events import PARTITIONS, ReceivedEnvelope
from bezant.contracts.fleet import SERVICES
from bezant.foundation.http.app import describe, openapi_document
from bezant.foundation.service import ServiceContext, ServiceParts
from bezant.foundation.settings import Settings
from bezant.foundation.tenancy import TenantDatabases


def openapi_documents() -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Return (the merged document, one document for each service)."""
    each = {service: openapi_document(describe(service, _parts(service).routers)) for service in SERVICES}
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
        "components": {"schemas": {}, "securitySchemes": {}},
    }
    for document in each.values():
        merged["paths"] |= document["paths"]
        merged["components"]["securitySchemes"] |= document["components"]["securitySchemes"]
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
        valkey=nothing, due_work=nothing, relay=nothing, tenant_databases=databases,
    )  # fmt: skip
    parts: ServiceParts = importlib.import_module(f"bezant.services.{service}.app").build(context)
    return parts


class _Nothing:
    """Stands for what a route needs only when it is called."""

    def __getattr__(self, name: str) -> "_Nothing":
        return self

    def __call__(self, *_: Any, **__: Any) -> "_Nothing":
        return self


def asyncapi_document() -> dict[str, Any]:
    """Return the AsyncAPI 3.0 document of every topic and the data of every event."""
    modules = (account_events, ledger_events, payment_events, fraud_events, notification_events)
    types = [
        found
        for module in modules
        for found in vars(module).values()
        if isinstance(found, type) and issubclass(found, msgspec.Struct) and found.__module__ == module.__name__
    ]
    (_, *_rest), schemas = msgspec.json.schema_components(
        [ReceivedEnvelope, *types], ref_template="#/components/schemas/{name}"
    )
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Bezant events",
            "version": bezant.__version__,
            "description": "CloudEvents 1.0 in JSON, keyed by tenant and aggregate, at least once, in order for each "
            "aggregate. `type` names the event, `dataschema` its version; fields are only ever added.",
        },
        "channels": {
            topic: {"address": topic, "messages": {"event": {"$ref": "#/components/messages/Event"}}}
            for topic in PARTITIONS
        },
        "components": {
            "messages": {"Event": {"contentType": "application/cloudevents+json",
                                   "payload": {"$ref": "#/components/schemas/ReceivedEnvelope"}}},
            "schemas": schemas,
        },
    }  # fmt: skip
