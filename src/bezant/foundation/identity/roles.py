"""What people may do by their role, in scopes. A person of the platform who signs in to a tenant has the role there."""

from enum import StrEnum
from typing import Final

from bezant.foundation.identity.api_keys import DEFAULT_SCOPES, GRANTED_ON_REQUEST

_READING: Final = frozenset(scope for scope in DEFAULT_SCOPES if scope.endswith(":read") and scope != "people:read")


class Role(StrEnum):
    """The role of a person."""

    VIEWER = "viewer"
    """Sees everything and changes nothing."""
    OPERATOR = "operator"
    """Runs the business: accounts, payments, webhooks; approves what others ask for."""
    RISK = "risk"
    """Decides fraud cases and changes rules; approves what others ask for."""
    ADMIN = "admin"
    """Does everything, keys and people included."""


_OF_TENANT: Final = {
    Role.VIEWER: _READING,
    Role.OPERATOR: _READING | {"accounts:write", "payments:write", "webhooks:write", "approvals:write"},
    Role.RISK: _READING | {"fraud:write", "approvals:write"},
    Role.ADMIN: frozenset(DEFAULT_SCOPES) | GRANTED_ON_REQUEST,
}
_OF_PLATFORM: Final = {
    Role.VIEWER: frozenset({"platform:read"}),
    Role.OPERATOR: frozenset({"platform:read", "platform:write"}),
    Role.RISK: frozenset({"platform:read"}),
    Role.ADMIN: frozenset({"admin"}),
}


def scopes_of(role: Role, *, in_tenant: bool) -> frozenset[str]:
    """Return what a session may do: one in a tenant, or one of the platform itself."""
    return (_OF_TENANT if in_tenant else _OF_PLATFORM)[role]
