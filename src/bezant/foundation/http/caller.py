"""Who sent this request, and whether the key has the scope that a route asks for.

Dependencies are coroutines: FastAPI sends plain functions to a thread, which costs more than all they do.
"""

from collections.abc import Awaitable, Callable

from fastapi import Request

from bezant.foundation.identity.api_keys import Caller


async def caller_of(request: Request) -> Caller:
    """Return the caller that the edge has authenticated."""
    caller: Caller = request.scope["bezant.caller"]
    return caller


def require(scope: str) -> Callable[[Request], Awaitable[Caller]]:
    """Return a dependency that gives the caller. It raises `Forbidden` unless the key has the scope."""

    async def dependency(request: Request) -> Caller:
        caller: Caller = request.scope["bezant.caller"]
        caller.require(scope)
        return caller

    return dependency
