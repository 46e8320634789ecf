"""The ledger as the account service asks it."""

from typing import Final
from uuid import UUID

from bezant.contracts.internal.ledger import (
    Balance,
    CommandResult,
    OpenAccount,
    ReadBalance,
    ReadStatement,
    SetAccountLimits,
    SetAccountStatus,
    Statement,
)
from bezant.foundation.internal_calls import InternalCalls

_AUDIENCE: Final = "transaction"


class Ledger:
    """Calls the transaction service. Every call may be repeated; none raises for a refusal of the ledger.

    All raise `InternalCallFailed` when it is not known what became of the call, and `TenantUnavailable` when the
    tenant's database does not answer.
    """

    def __init__(self, internal: InternalCalls) -> None:
        self._internal = internal

    async def command(
        self, tenant_id: UUID, command: OpenAccount | SetAccountStatus | SetAccountLimits
    ) -> CommandResult:
        """Carry out a command on an account."""
        return (await self._internal.call(_AUDIENCE, "ledger/commands", tenant_id, [command], CommandResult))[0]

    async def balance(self, tenant_id: UUID, account_id: UUID) -> Balance:
        """Return the account's balance as it is now."""
        question = ReadBalance(account_id=account_id)
        return (await self._internal.call(_AUDIENCE, "ledger/balances", tenant_id, [question], Balance))[0]

    async def statement(self, tenant_id: UUID, question: ReadStatement) -> Statement:
        """Return a page of a statement."""
        return (await self._internal.call(_AUDIENCE, "ledger/statement", tenant_id, [question], Statement))[0]
