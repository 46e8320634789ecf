"""The price list: ranges with a source, a date and a confidence. An unknown price is None, never 0."""

from functools import cache
from importlib.resources import files
from typing import Literal

from bezant.topology.model.base import Part, Percentage, Positive
from bezant.topology.yaml_text import parse_yaml

Confidence = Literal["high", "medium", "low"]


class RegionalPrice(Part):
    """A price in one region, in US dollars for the unit."""

    low: float
    high: float
    confidence: Confidence


class Price(Part):
    """A price by region."""

    unit: str
    source: str
    regions: dict[str, RegionalPrice]


class Discount(Part):
    """Per cent off the list price."""

    low: Percentage
    high: Percentage
    source: str
    confidence: Confidence


class PriceList(Part):
    """Every price."""

    as_of: str
    hours_per_month: Positive
    discounts: dict[Literal["spot", "reserved_nodes", "reserved_aurora", "reserved_valkey"], Discount]
    prices: dict[str, Price]

    def find(self, name: str, region: str) -> RegionalPrice | None:
        """Return a price, or None if it is not known in that region."""
        price = self.prices.get(name)
        return price.regions.get(region) if price is not None else None

    @property
    def regions(self) -> tuple[str, ...]:
        """Every region that some price is known in."""
        return tuple(dict.fromkeys(region for price in self.prices.values() for region in price.regions))


@cache
def price_list() -> PriceList:
    """Return the price list of the package."""
    text = files("bezant.topology").joinpath("data/prices.yaml").read_text("utf-8")
    return PriceList.model_validate(parse_yaml(text))
