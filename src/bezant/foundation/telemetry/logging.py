"""JSON logs on standard error, each line with service, instance, tenant, request and trace ids.

Secrets cannot get in by accident: values under secret-like keys, bearer tokens, API keys and passwords in
URLs are masked by the last processor, whatever wrote the line.
"""

import logging
import re
import sys
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any

import structlog
from opentelemetry import trace

from bezant.foundation.settings import Settings

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
tenant_id: ContextVar[str | None] = ContextVar("tenant_id", default=None)

_SECRET_KEYS = re.compile(r"(password|secret|authorization|api_key|private_key|token)$", re.IGNORECASE)
_SECRET_TEXT = re.compile(
    r"(bz_[A-Za-z0-9]+_)[A-Za-z0-9_-]{8,}"
    r"|(whsec_)[A-Za-z0-9+/=]{8,}"
    r"|(Bearer )[^\s\"']+"
    # a password in a URL, also one without a user and one that holds an @
    r"|(://[^:/\s@]*:)[^\s/]+(?=@)"
    # name=value and "name": "value", as in a libpq connection string or in JSON
    r"|((?i:password|private_key|api_key)[\"']?\s*[=:]\s*)(?:b?\"[^\"]*\"|b?'[^']*'|[^\s\"',}&]+)"
)


def mask(text: str) -> str:
    """Return the text with API keys, webhook secrets, bearer tokens and passwords masked."""
    return _SECRET_TEXT.sub(lambda found: next(group for group in found.groups() if group) + "***", text)


def _masked(value: Any) -> Any:
    """Return a value of an event with every secret inside it masked."""
    if isinstance(value, str):
        return mask(value)
    if isinstance(value, bytes):
        return mask(value.decode("utf-8", "replace"))
    if isinstance(value, Mapping):
        return {name: "***" if _is_secret(name) else _masked(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_masked(inner) for inner in value]
    return value


def _is_secret(name: object) -> bool:
    return isinstance(name, str) and _SECRET_KEYS.search(name) is not None


def _mask_event(_: Any, __: str, event: structlog.types.EventDict) -> structlog.types.EventDict:
    for name, value in event.items():
        event[name] = "***" if _is_secret(name) else _masked(value)
    return event


def _add_context(_: Any, __: str, event: structlog.types.EventDict) -> structlog.types.EventDict:
    if (current := request_id.get()) is not None:
        event["request_id"] = current
    if (tenant := tenant_id.get()) is not None:
        event["tenant_id"] = tenant
    span = trace.get_current_span().get_span_context()
    if span.is_valid:
        event["trace_id"] = f"{span.trace_id:032x}"
    return event


def configure_logging(settings: Settings, service: str) -> None:
    """Send the standard library's loggers, ours and the libraries', through one JSON renderer."""

    def add_process(_: Any, __: str, event: structlog.types.EventDict) -> structlog.types.EventDict:
        event["service"] = service
        event["instance"] = settings.instance_id
        return event

    shared: list[structlog.types.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        add_process,
        _add_context,
        structlog.processors.format_exc_info,
        _mask_event,
    ]
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, structlog.processors.JSONRenderer()],
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level)
    for chatty in ("uvicorn.access", "aiohttp.access", "redis", "psycopg.pool", "botocore"):
        logging.getLogger(chatty).setLevel(logging.WARNING if chatty != "psycopg.pool" else logging.ERROR)
    for name in ("uvicorn", "uvicorn.error"):
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
