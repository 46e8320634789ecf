"""The zones that processes are labelled with, as a region's availability zones are."""

from typing import Final

ZONES: Final = ("us-east-1a", "us-east-1b", "us-east-1c")


def zone_of_replica(replica: int) -> str:
    """Return the zone of a service's replica: round robin."""
    return ZONES[replica % len(ZONES)]
