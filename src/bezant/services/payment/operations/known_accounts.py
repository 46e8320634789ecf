"""Which accounts exist and in which currency: looked up once, since neither ever changes.

An account that does not exist is a 404 and records nothing, so that it has to be known before a payment is
written. An account's id is never reused and its currency never changes (the ledger holds both), so that a
positive answer stays right for ever; negative ones are not kept.
"""

from collections import OrderedDict
from uuid import UUID

from bezant.contracts.internal.ledger import Balance, ReadBalance
from bezant.foundation.internal_calls import InternalCalls
from bezant.services.payment.domain.problems import AccountNotFound, CurrencyMismatch

_REMEMBERED = 200_000


class KnownAccounts:
    """The accounts that this process has seen."""

    def __init__(self, internal: InternalCalls) -> None:
        self._internal = internal
        self._currencies: OrderedDict[tuple[UUID, UUID], str] = OrderedDict()

    async def require(self, tenant_id: UUID, account_ids: list[UUID], currency: str) -> None:
        """Make sure that all accounts exist and are in the currency.

        Raises `AccountNotFound`, `CurrencyMismatch`, `InternalCallFailed`, `TenantUnavailable`.
        """
        known = self._currencies
        unknown = [account_id for account_id in account_ids if (tenant_id, account_id) not in known]
        if unknown:
            balances: list[Balance] = await self._internal.call(
                "transaction",
                "ledger/balances",
                tenant_id,
                [ReadBalance(account_id=account_id) for account_id in unknown],
                Balance,
            )
            for balance in balances:
                if not balance.found:
                    raise AccountNotFound(f"there is no account {balance.account_id}; nothing was recorded")
                known[(tenant_id, balance.account_id)] = balance.currency
            while len(known) > _REMEMBERED:
                known.popitem(last=False)
        for account_id in account_ids:
            held = known[(tenant_id, account_id)]
            if held != currency:
                raise CurrencyMismatch(f"account {account_id} is in {held}, the amount in {currency}")
