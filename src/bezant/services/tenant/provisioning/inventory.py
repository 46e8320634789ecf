"""What a provisioner finds where it makes things: for the search for what belongs to no tenant."""

from typing import Literal
from uuid import UUID

import msgspec

Kind = Literal["cluster", "instance", "global_cluster", "snapshot", "database", "secret"]


class Resource(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is paid for or that opens something."""

    kind: Kind
    name: str
    tenant_id: UUID | None
    """Whose it says it is, by its tags or its name."""
    region: str | None = None
    cluster: str | None = None
    """The cluster that it is on or of."""
    instance_class: str | None = None
    bytes: int | None = None
