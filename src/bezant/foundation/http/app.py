"""Make a service's ASGI application."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.types import ASGIApp

import bezant
from bezant.contracts.problems import TYPE_BASE
from bezant.foundation.admission import Admission
from bezant.foundation.control.directory import TenantDirectory
from bezant.foundation.http.admitting import Gate
from bezant.foundation.http.direct import DirectRoute
from bezant.foundation.http.edge import Edge
from bezant.foundation.http.health import Health, health_router
from bezant.foundation.http.operation_names import operation_name
from bezant.foundation.http.problems import install_problem_handlers
from bezant.foundation.identity.api_keys import ApiKeys
from bezant.foundation.identity.internal_tokens import TokenVerifier
from bezant.foundation.rate_limit import RateLimiter

if TYPE_CHECKING:
    # the routes of internal calls are made of this package's parts
    from bezant.foundation.internal_calls import PartsRoute

_PROBLEM_SCHEMA: dict[str, Any] = {
    "type": "object",
    "title": "Problem",
    "description": "An error, after RFC 9457. `code` is stable; `detail` says what happened and what to do.",
    "required": ["type", "title", "status", "code", "detail"],
    "properties": {
        "type": {"type": "string", "format": "uri", "examples": [TYPE_BASE + "not_found"]},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string"},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"place": {"type": "string"}, "message": {"type": "string"}},
            },
        },
    },
}


def describe(service: str, routers: Sequence[APIRouter]) -> FastAPI:
    """Return the bare FastAPI application of a service's public routes; its OpenAPI document needs nothing else."""
    app = FastAPI(
        title=f"Bezant {service} API",
        version=bezant.__version__,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        # A path with one slash too many is a 404, not a redirect to whatever the Host header says.
        redirect_slashes=False,
        # The edge makes the span and the metrics of a request; FastAPI's own would be a second set.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    for router in routers:
        app.include_router(router)
    return app


def openapi_document(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document, with the API key scheme and the problem answer on every operation."""
    document = get_openapi(title=app.title, version=app.version, openapi_version="3.1.0", routes=app.routes)
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for replaced in ("HTTPValidationError", "ValidationError"):
        schemas.pop(replaced, None)
    schemas["Problem"] = _PROBLEM_SCHEMA
    components["securitySchemes"] = {
        "api_key": {"type": "http", "scheme": "bearer", "description": "An API key, `bz_<keyid>_<secret>`"}
    }
    document["security"] = [{"api_key": []}]
    problem = {
        "description": "A problem",
        "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    for path, methods in document.get("paths", {}).items():
        for method, operation in methods.items():
            _summarise(operation)
            if "." not in operation["operationId"]:
                # FastAPI made it; a name of our own stands at the route
                is_list = _answers_a_list(operation, schemas)
                operation["operationId"] = operation_name(method.upper(), path, is_list=is_list)
            operation["responses"].pop("422", None)
            operation["responses"]["default"] = problem
    return document


def _summarise(operation: dict[str, Any]) -> None:
    """Let the summary be the description's first sentence: what FastAPI makes of a function's name says little."""
    sentence = operation.get("description", "").split("\n\n")[0].replace("\n", " ").split(". ")[0].rstrip(".")
    if sentence:
        operation["summary"] = sentence


def _answers_a_list(operation: dict[str, Any], schemas: dict[str, Any]) -> bool:
    schema = operation["responses"].get("200", {}).get("content", {}).get("application/json", {}).get("schema", {})
    answered = schemas.get(str(schema.get("$ref", "")).rpartition("/")[2], {})
    return "data" in answered.get("properties", {})


def create_app(
    service: str,
    routers: Sequence[APIRouter],
    *,
    health: Health,
    api_keys: ApiKeys,
    directory: TenantDirectory,
    rate_limiter: RateLimiter,
    token_verifier: TokenVerifier,
    body_limit_bytes: int,
    direct: Sequence[DirectRoute] = (),
    internal: "Sequence[PartsRoute]" = (),
    admission: Admission | None = None,
    deadline_seconds: float = 10.0,
) -> ASGIApp:
    """Return the application with its edge, probes and problem handlers."""
    app = describe(service, routers)
    app.router.routes.extend(internal)
    app.include_router(health_router(health))
    app.state.token_verifier = token_verifier
    install_problem_handlers(app)
    return Edge(
        app,
        service=service,
        api_keys=api_keys,
        directory=directory,
        rate_limiter=rate_limiter,
        body_limit_bytes=body_limit_bytes,
        direct=direct,
        internal={route.path: route.call for route in internal},
        gate=None if admission is None else Gate(admission, api_keys, service),
        deadline_seconds=deadline_seconds,
    )
