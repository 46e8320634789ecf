"""Every operation that one service offers to another: what is asked and what is answered, item by item.

While a version is rolled out, callers and answerers of both versions meet. So both sides have to read what either
writes: `breaking_internal_changes` of `bezant.contracts.compatibility` compares the document that is made from here
with the one of the last release, in both directions.
"""

from typing import Any, Final, NamedTuple

from bezant.contracts.internal.fraud import ASSESSMENTS_PATH, Assessment, AssessmentRequest
from bezant.contracts.internal.ledger import (
    Balance,
    ClosingState,
    CommandResult,
    LedgerCommand,
    LookedUpTransfer,
    LookupTransfer,
    ReadBalance,
    ReadStatement,
    Statement,
)


class Operation(NamedTuple):
    """The type of an item of the request and of its answer."""

    item: Any
    answer: Any


OPERATIONS: Final[dict[str, Operation]] = {
    ASSESSMENTS_PATH: Operation(AssessmentRequest, Assessment),
    "ledger/commands": Operation(LedgerCommand, CommandResult),
    "ledger/balances": Operation(ReadBalance, Balance),
    "ledger/statement": Operation(ReadStatement, Statement),
    "ledger/lookup": Operation(LookupTransfer, LookedUpTransfer),
    "ledger/closing": Operation(None, ClosingState),
}
"""By the path below `/internal/v1/`."""
