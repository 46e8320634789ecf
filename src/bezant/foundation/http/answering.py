"""Every request is answered whole, and its connection can be used again.

Starlette answers an unforeseen exception and then raises it on, for its server to log. uvicorn takes an exception after
the answer for a broken one and closes the connection without having said so. The gateway, which keeps connections,
would have sent the next request there, and that innocent request would fail
(https://starlette.dev/exceptions/#errors-and-handled-exceptions).
"""

from opentelemetry import trace
from opentelemetry.trace import Status, StatusCode
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bezant.foundation.http.problems import exception_response


async def always_answered(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Handle an HTTP request with `app`. An exception that leaves it becomes a problem.

    Raises the exception only when an answer has begun and cannot be finished: the server then breaks the connection,
    which is how a client learns that the answer is not whole.
    """
    started = finished = False

    async def watched(message: Message) -> None:
        nonlocal started, finished
        started = True
        finished = message["type"] == "http.response.body" and not message.get("more_body", False)
        await send(message)

    try:
        await app(scope, receive, watched)
    except ClientDisconnect:
        # Nobody is there to be answered.
        return
    except Exception as error:
        span = trace.get_current_span()
        span.record_exception(error)
        span.set_status(Status(StatusCode.ERROR, type(error).__name__))
        if finished:
            # Starlette has answered it through our handler, which has logged it.
            return
        if started:
            raise
        await exception_response(error, scope["method"], scope["path"])(scope, receive, send)
