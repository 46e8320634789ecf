"""The JSON of an internal call."""

from typing import Any, Generic, TypeVar
from uuid import UUID

import msgspec

Item = TypeVar("Item")
Result = TypeVar("Result")


class Part(msgspec.Struct, Generic[Item], frozen=True):
    """One tenant's items."""

    tenant_id: UUID
    token: str
    items: list[Item]
    traceparent: str | None = None
    deadline_milliseconds: int | None = None
    """How long from its sending on somebody waits for the part; None if nobody says."""


class CallRequest(msgspec.Struct, Generic[Item], frozen=True):
    """The body of a call."""

    parts: list[Part[Item]]


class PartProblem(msgspec.Struct, frozen=True):
    """Why a part was not done."""

    status: int
    code: str
    detail: str
    retry_after_seconds: int | None = None


class PartAnswer(msgspec.Struct, Generic[Result], frozen=True):
    """One line of the answer: the part's position in the request, and its results or its problem."""

    part: int
    results: list[Result] | None = None
    problem: PartProblem | None = None


encoder: msgspec.json.Encoder = msgspec.json.Encoder()


def encode_line(answer: PartAnswer[Any]) -> bytes:
    """Return one line of JSON."""
    return encoder.encode(answer) + b"\n"
