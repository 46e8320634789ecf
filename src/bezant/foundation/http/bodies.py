"""The body of a request: read whole at the edge, and JSON in UTF-8 on every route.

One rule for all routes. What a framework's parser makes of other encodings and media types is neither the same on
every route nor what our own parser makes of them.
"""

from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive

from bezant.contracts.problems import BodyTooLarge, InvalidRequest, UnsupportedMediaType

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


async def read_body(receive: Receive, limit_bytes: int | None = None) -> bytes:
    """Return the whole body of a request.

    Raises `BodyTooLarge` as soon as it is longer than the limit, and `ClientDisconnect` for a body that breaks off: it
    is never acted on.
    """
    chunks = []
    seen_bytes = 0
    while True:
        message: Message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunk: bytes = message.get("body", b"")
        seen_bytes += len(chunk)
        if limit_bytes is not None and seen_bytes > limit_bytes:
            raise too_large(limit_bytes)
        chunks.append(chunk)
        if not message.get("more_body"):
            return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def too_large(limit_bytes: int) -> BodyTooLarge:
    """Return the refusal of a body that is longer than the limit."""
    return BodyTooLarge(f"the body may have {limit_bytes} bytes; split the request")


def replayed(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` that gives a body that was read, and then what comes after it."""
    given = False

    async def receiving() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receiving


def require_json(content_type: bytes, body: bytes) -> None:
    """Check that a body says it is JSON, and is text in UTF-8 without a byte order mark.

    The name of a media type is compared without regard to case and to parameters (RFC 9110 section 8.3.1). JSON between
    systems is UTF-8 and begins with no byte order mark (RFC 8259 section 8.1). A NUL is in no JSON text: it shows that
    the text is UTF-16 or UTF-32. Raises `UnsupportedMediaType`, `InvalidRequest`.
    """
    if content_type.partition(b";")[0].strip(b" \t").lower() != b"application/json":
        raise UnsupportedMediaType("send the body as JSON, with the header `Content-Type: application/json`")
    if body.startswith(_BYTE_ORDER_MARK) or b"\x00" in body or not _is_utf_8(body):
        raise InvalidRequest("body: JSON must be encoded in UTF-8, without a byte order mark (RFC 8259, section 8.1)")


def _is_utf_8(body: bytes) -> bool:
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
