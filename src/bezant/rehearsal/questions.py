"""What a service is asked while it is rehearsed, beside the payments: something that it answers itself."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple


class Question(NamedTuple):
    """A read on behalf of one tenant."""

    path: str
    """`{account}` stands for one of the tenant's accounts."""
    answered_by: str
    """A key that a true answer has."""


QUESTIONS: Final[Mapping[str, Question]] = MappingProxyType(
    {
        "account": Question("/v1/accounts/{account}/balance", "posted"),
        "audit": Question("/v1/audit/tree-head", "root_hash"),
        "fraud": Question("/v1/fraud/rules", "mode"),
        "notification": Question("/v1/webhook-endpoints", "data"),
        "tenant": Question("/v1/api-keys", "data"),
        "transaction": Question("/v1/transfers?limit=10", "data"),
    }
)
"""By service. The payment service is asked for the payments that were made."""
