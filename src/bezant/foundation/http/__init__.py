"""The edge of a service: authentication, limits, problems, health, metrics, pagination, OpenAPI."""

from bezant.foundation.http.app import create_app
from bezant.foundation.http.caller import caller_of, require
from bezant.foundation.http.pagination import Page, decode_cursor, encode_cursor, page_limit
from bezant.foundation.http.problems import problem_response

__all__ = [
    "Page",
    "caller_of",
    "create_app",
    "decode_cursor",
    "encode_cursor",
    "page_limit",
    "problem_response",
    "require",
]
