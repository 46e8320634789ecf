"""Direct routes: for the one or two paths that carry the load, from the edge straight to a handler.

FastAPI's routing, dependency solving and exit stacks cost several times what such a handler does. A direct
route has everything the edge gives (authentication, limits, problems, metrics, traces) and parses its own body;
the same operation is declared on a router with `documented`, so that the OpenAPI document stays complete.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ValidationError

from bezant.foundation.http.problems import validation_problem
from bezant.foundation.identity.api_keys import Caller


@dataclass(frozen=True, slots=True)
class DirectRequest:
    """What a direct handler gets. Header names are lower case."""

    caller: Caller
    headers: Mapping[bytes, bytes]
    body: bytes


DirectHandler = Callable[[DirectRequest], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class DirectRoute:
    """One method and exact path."""

    method: str
    path: str
    handler: DirectHandler


def parse(model: type[BaseModel], body: bytes) -> Any:
    """Return the body as the model. Raises `InvalidRequest` with every place that is wrong."""
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        raise validation_problem(
            [{"loc": ("body", *item["loc"]), "msg": item["msg"]} for item in error.errors(include_url=False)]
        ) from error


def documented(router: APIRouter, route: DirectRoute, request_model: type[BaseModel], **declaration: Any) -> None:
    """Declare a direct route on a router, for the OpenAPI document and for applications without the edge."""

    async def forward(request: Request, body: BaseModel) -> Response:
        headers = dict(request.scope["headers"])
        return await route.handler(DirectRequest(request.scope["bezant.caller"], headers, await request.body()))

    forward.__annotations__["body"] = request_model
    router.add_api_route(route.path, forward, methods=[route.method], **declaration)
