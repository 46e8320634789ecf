"""The steps of each saga, in order. A step's position is stored; add new ones at the end of a release's list only
together with a migration of the running operations."""

from enum import StrEnum
from typing import Final


class Kind(StrEnum):
    """What is being done to a tenant."""

    ONBOARDING = "onboarding"
    ROTATION = "rotation"
    OFFBOARDING = "offboarding"


STEPS: Final[dict[Kind, tuple[str, ...]]] = {
    Kind.ONBOARDING: (
        "provision_database",
        "run_migrations",
        "create_roles",
        "store_credentials",
        "publish_event",
        "await_fleet",
        "activate",
    ),
    Kind.ROTATION: ("create_roles", "store_credentials", "publish_event", "await_fleet", "retire_roles"),
    # The export comes when nobody can write any more. An offboarding that was under way when this step came in has
    # it at the place of drop_database, which is done again where it was done before and changes nothing.
    Kind.OFFBOARDING: ("publish_event", "delete_credentials", "drop_roles", "export_data", "drop_database", "close"),
}


def credential_slot(version: int) -> str:
    """Return `a` or `b`: each rotation uses the other of a service's two login roles.

    The strategy of AWS Secrets Manager's "alternating users": the old credential works until every instance
    has connected with the new one.
    https://docs.aws.amazon.com/secretsmanager/latest/userguide/rotation-strategy.html
    """
    return "a" if version % 2 else "b"
