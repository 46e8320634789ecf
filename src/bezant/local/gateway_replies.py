"""What Envoy answers by itself, as problem details (RFC 9457): no route, no replica, too slow, too large."""

from dataclasses import dataclass
from typing import Any, Final

from bezant.contracts.problems import TYPE_BASE, BodyTooLarge, NotFound, Overloaded, ShareExceeded, Unavailable

RETRY_AFTER_SECONDS: Final = 1
THROTTLE_NOTES: Final = "bezant.throttle"
"""Where `throttle.lua` notes what it refused."""


@dataclass(frozen=True, slots=True)
class GatewayReply:
    """One status that the gateway can answer without a service."""

    status: int
    code: str
    title: str
    detail: str
    retry_after_seconds: int | None = None

    def document(self) -> dict[str, Any]:
        """Return the problem details object."""
        return {
            "type": TYPE_BASE + self.code,
            "title": self.title,
            "status": self.status,
            "code": self.code,
            "detail": self.detail,
        }


REPLIES: Final = (
    GatewayReply(
        400,
        "malformed_http",
        "The request is not well-formed HTTP",
        "The gateway could not read the request: check its request line, headers and path. Paths must not hold "
        "encoded slashes, and header names must not hold underscores.",
    ),
    GatewayReply(
        403,
        "upgrade_refused",
        "The connection cannot be upgraded",
        "Every path answers plain HTTP/1.1 or HTTP/2; send the request without an Upgrade header.",
    ),
    GatewayReply(
        404, NotFound.code, NotFound.title, "No service answers this path; the paths are listed at /openapi.json."
    ),
    GatewayReply(
        408,
        "request_timeout",
        "The request arrived too slowly",
        "The whole request must arrive within 15 seconds. Send it again.",
    ),
    GatewayReply(413, BodyTooLarge.code, BodyTooLarge.title, "A request body may hold at most 1 MiB; split the batch."),
    GatewayReply(
        426,
        "http_version_not_supported",
        "The HTTP version is not supported",
        "Send the request with HTTP/1.1 or HTTP/2.",
    ),
    GatewayReply(
        431, "headers_too_large", "The request headers are too large", "All headers together may hold 32 KiB."
    ),
    GatewayReply(
        501,
        "transfer_coding_not_supported",
        "The transfer coding is not supported",
        "A body may be sent with its Content-Length or with `Transfer-Encoding: chunked`, and in no other coding.",
    ),
    GatewayReply(
        503,
        Unavailable.code,
        Unavailable.title,
        "No replica of the service behind this path is ready. Send the same request again, with the same "
        "Idempotency-Key.",
        RETRY_AFTER_SECONDS,
    ),
    GatewayReply(
        504,
        "gateway_timeout",
        "The answer took too long",
        "The service did not answer within 15 seconds; what became of the request is not known. Send the same "
        "request again, with the same Idempotency-Key.",
        RETRY_AFTER_SECONDS,
    ),
)


_TOO_MUCH: Final = GatewayReply(
    Overloaded.status,
    Overloaded.code,
    Overloaded.title,
    "The service behind this path works on as much as it can finish in time; nothing was done. Wait and send the same "
    "request again, with the same Idempotency-Key.",
    RETRY_AFTER_SECONDS,
)
REFUSALS: Final = {
    "full": _TOO_MUCH,
    "waited": _TOO_MUCH,
    "share": GatewayReply(
        ShareExceeded.status,
        ShareExceeded.code,
        ShareExceeded.title,
        "The service behind this path works on as much as it can finish in time, and others ask for their share of it; "
        "nothing was done. Send fewer requests at once; wait and send the same request again, with the same "
        "Idempotency-Key.",
        RETRY_AFTER_SECONDS,
    ),
}
"""What is answered for a service that refuses a key's requests, by its reason (`foundation.admission.Refusal`)."""
_OVERFLOW: Final = "UO"
"""Envoy's flag of a request that a circuit breaker stopped."""


def not_found_response() -> dict[str, Any]:
    """Return Envoy's direct response for a path that no service answers; its body comes from `local_replies`."""
    return {"status": NotFound.status}


def local_replies() -> dict[str, Any]:
    """Return Envoy's local_reply_config: each status above with its own document, any other with a general one."""
    mappers = [_refusal(reason, reply) for reason, reply in REFUSALS.items()]
    mappers.append(_mapper({"response_flag_filter": {"flags": [_OVERFLOW]}}, _TOO_MUCH))
    for reply in REPLIES:
        comparison = {
            "op": "EQ",
            "value": {"default_value": reply.status, "runtime_key": f"gateway.reply.{reply.status}"},
        }
        mappers.append(_mapper({"status_code_filter": {"comparison": comparison}}, reply))
    general = GatewayReply(0, "gateway_error", "The gateway could not pass the request on", "Send it again.")
    return {
        "mappers": mappers,
        "body_format": _format({**general.document(), "status": "%RESPONSE_CODE%"}),
    }


def _refusal(reason: str, reply: GatewayReply) -> dict[str, Any]:
    """Return the mapper of what the throttle refused: its note says why."""
    matcher = {
        "filter": THROTTLE_NOTES,
        "path": [{"key": "refused"}],
        "value": {"string_match": {"exact": reason}},
    }
    return _mapper({"metadata_filter": {"matcher": matcher, "match_if_key_not_found": False}}, reply)


def _mapper(matching: dict[str, Any], reply: GatewayReply) -> dict[str, Any]:
    mapper: dict[str, Any] = {"filter": matching, "body_format_override": _format(reply.document())}
    if reply.retry_after_seconds is not None:
        header = {"key": "retry-after", "value": str(reply.retry_after_seconds)}
        mapper["headers_to_add"] = [{"header": header, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}]
    return mapper


def _format(document: dict[str, Any]) -> dict[str, Any]:
    return {"json_format": document, "content_type": "application/problem+json"}
