"""Who sent this request, and whether the key has the scope that a route asks for."""

from collections.abc import Callable

from fastapi import Request

from bezant.foundation.identity.api_keys import Caller


def caller_of(request: Request) -> Caller:
    """Return the caller that the edge has authenticated."""
    caller: Caller = request.scope["bezant.caller"]
    return caller


def require(scope: str) -> Callable[[Request], Caller]:
    """Return a dependency that gives the caller. It raises `Forbidden` unless the key has the scope."""

    def dependency(request: Request) -> Caller:
        caller = caller_of(request)
        caller.require(scope)
        return caller

    return dependency
