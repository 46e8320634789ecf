"""What every part of the model shares: strictness, and the types that refuse by a rule's name."""

import ipaddress
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError


class Part(BaseModel):
    """A part of the model: immutable, no unknown keys, no silent conversion."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


def _percentage(value: float) -> float:
    if not 0 <= value <= 100:
        raise PydanticCustomError(
            "percentage-out-of-range", "{value} is not a percentage: it must be 0 to 100", {"value": value}
        )
    return value


def _cidr(value: str) -> str:
    try:
        ipaddress.IPv4Network(value)
    except ValueError as error:
        raise PydanticCustomError(
            "cidr-malformed", "{value!r} is not an IPv4 network: {error}", {"value": value, "error": str(error)}
        ) from error
    return value


Percentage = Annotated[float, AfterValidator(_percentage), Field(description="0 to 100")]
"""A percentage, refused outside 0 to 100 by the rule `percentage-out-of-range`."""

Cidr = Annotated[str, AfterValidator(_cidr), Field(description="an IPv4 network, such as 10.0.0.0/16")]
"""An IPv4 network with no host bits set, kept as text."""

Count = Annotated[int, Field(ge=0)]
Positive = Annotated[int, Field(ge=1)]
Pods = Annotated[int, Field(ge=0, le=1000, description="at most 1,000 of one kind")]
"""A number of pods: bounded, since each of them is placed."""

NodesPerZone = Annotated[int, Field(ge=0, le=150, description="EKS allows a managed node group 450 nodes")]
"""A number of nodes in one of three zones."""

Seconds = Annotated[float, Field(ge=0)]
Dollars = Annotated[float, Field(description="US dollars")]
Name = Annotated[str, Field(min_length=1, max_length=80)]


class Span(Part):
    """A range, both ends included, such as 10 to 15 minutes."""

    low: float
    high: float

    def model_post_init(self, _context: object) -> None:
        if self.low > self.high:
            raise PydanticCustomError("range-reversed", "the range {low} to {high} is reversed", dict(self))

    def __str__(self) -> str:
        return f"{self.low:g}" if self.low == self.high else f"{self.low:g}-{self.high:g}"
