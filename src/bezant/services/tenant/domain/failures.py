"""Why a step of a saga is given up at once, or tried for longer than others."""

from typing import ClassVar


class GivenUp(RuntimeError):
    """Trying again now would not help. The message is for whoever watches: what happened and what to do about it."""

    code: ClassVar[str] = "given_up"


class Passing(RuntimeError):
    """It ends by itself, and may take minutes: an outage of AWS, credentials that are being renewed."""


class FleetNotReady(GivenUp):
    """Some services have not connected to the tenant's database yet. The message names them."""

    code = "fleet_not_ready"
