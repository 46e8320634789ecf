"""What the account, payment and tenant services say to the ledger (the transaction service), and what it answers.

Commands go to `ledger/commands`, questions to `ledger/balances`, `ledger/statement`, `ledger/lookup` and, from
the tenant service, `ledger/closing`.
All amounts are integers in minor units of the currency named beside them (1..2^53-1), all instants UTC.

Every transfer command carries its own id, made by the caller, and is idempotent by it: sent again with the
same content it is answered `exists` with the original result; with other content it is refused with
`transfer_id_reused`. A refused command has written nothing, so sending it again may succeed. Whoever did
not get an answer sends the same command again: looking the transfer up first proves nothing while the first
attempt may still be under way.

Reason codes of a refusal, ordered by precedence (the first that applies is given):

| reason_code | meaning |
|---|---|
| `transfer_id_reused` | the id belongs to a transfer with other content |
| `linked_transfer_refused` | another command of the same atomic batch was refused |
| `amount_invalid` | an amount is not within 1..2^53-1 |
| `legs_invalid` | fewer than two legs, more than 64, or debits and credits of the legs differ |
| `same_account` | an account occurs in more than one leg |
| `expires_at_invalid` | an expiry without a hold, or not in the future |
| `hold_not_found` / `transfer_not_found` | the pending or reversed transfer does not exist |
| `transfer_of_payment` | a payment's transfer may be changed by the payment service alone |
| `transfer_not_pending` / `transfer_not_reversible` | the referenced transfer is of another kind |
| `hold_already_posted`, `hold_already_voided`, `hold_expired` | the hold is no longer open |
| `transfer_already_reversed` | a transfer is reversed at most once |
| `amount_exceeds_hold` | more would be posted than the hold holds, in all or from one account |
| `legs_required` | part of a hold of more than two legs was posted without saying which legs |
| `account_not_found` | a leg names an account the ledger does not have |
| `currency_mismatch` | an account is in another currency than the transfer |
| `account_closed` | an account is closed |
| `account_frozen` | an account is frozen (see `AccountStatus`) |
| `insufficient_funds` | an account would go below its overdraft limit |
| `daily_limit_exceeded` | an account would pay out more today (UTC) than its daily limit |

| `refused_by_database` | a check of the database's own refused what the ledger's rules had let pass: a defect |

and for the commands about accounts: `account_id_reused`, `account_not_found`, `revision_outdated`, `account_closed`,
`account_has_holds`, `account_has_balance`, `overdraft_limit_in_use`, `limits_invalid`.
"""

from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec

Direction = Literal["debit", "credit"]
AccountType = Literal["customer", "merchant", "settlement", "fee"]
AccountStatus = Literal["open", "frozen", "closed"]
"""`frozen`: nothing may be debited or credited, holds made before cannot be posted; they may be voided and
expire, and refunds and reversals may still credit the account. `closed`: nothing, for ever."""
HoldState = Literal["pending", "posted", "voided", "expired"]
TransferKind = Literal["transfer", "pending", "post", "void", "expire", "reversal"]
Origin = Literal["ledger", "payment"]
CommandStatus = Literal["created", "exists", "refused"]


class Leg(msgspec.Struct, frozen=True, array_like=True):
    """One line of a transfer. Encoded as [account_id, direction, amount_minor]."""

    account_id: UUID
    direction: Direction
    amount_minor: int


def two_legs(*, debit_account_id: UUID, credit_account_id: UUID, amount_minor: int) -> list[Leg]:
    """The legs of the simple transfer: `amount_minor` leaves the debited and enters the credited account."""
    return [Leg(debit_account_id, "debit", amount_minor), Leg(credit_account_id, "credit", amount_minor)]


# ---- commands ------------------------------------------------------------------------------------------


class CreateTransfer(msgspec.Struct, frozen=True, tag_field="command", tag="create_transfer", kw_only=True):
    """Move money at once, or with `pending` hold it until it is posted, voided or expires at `expires_at`.

    `legs` balance (see `two_legs` for the simple form); a payment with a fee is source debit 1000,
    destination credit 970, fee account credit 30. A held debit counts against the account's funds and daily
    limit when the hold is made. `refund` lets the credited account be frozen and leaves the daily limit
    alone; the ledger heeds it from the payment service only.
    """

    id: UUID
    currency: str
    legs: list[Leg]
    pending: bool = False
    expires_at: datetime | None = None
    refund: bool = False
    reference: str = ""
    metadata: dict[str, str] = {}
    actor: str


class PostPending(msgspec.Struct, frozen=True, tag_field="command", tag="post_pending", kw_only=True):
    """Post a hold, whole or in part; what is not posted is released. A hold is posted once.

    `amount_minor` None posts all of it. `legs` says how a part of a hold with several legs is spread: its
    debits may not exceed the hold's debit of the same account, its credits may go to any accounts (a fee
    known only at capture). With `legs`, `amount_minor` is None or their total. `currency`, if given, must be
    the hold's.
    """

    id: UUID
    pending_id: UUID
    amount_minor: int | None = None
    currency: str | None = None
    legs: list[Leg] | None = None
    reference: str = ""
    metadata: dict[str, str] = {}
    actor: str


class VoidPending(msgspec.Struct, frozen=True, tag_field="command", tag="void_pending", kw_only=True):
    """Release a hold without posting anything."""

    id: UUID
    pending_id: UUID
    reference: str = ""
    metadata: dict[str, str] = {}
    actor: str


class Reverse(msgspec.Struct, frozen=True, tag_field="command", tag="reverse", kw_only=True):
    """Post the mirror image of a posted transfer (kind `transfer` or `post`), once and in full."""

    id: UUID
    transfer_id: UUID
    reference: str = ""
    metadata: dict[str, str] = {}
    actor: str


TransferCommand = CreateTransfer | PostPending | VoidPending | Reverse


class AtomicBatch(msgspec.Struct, frozen=True, tag_field="command", tag="atomic_batch", kw_only=True):
    """Transfer commands that are carried out in order, all or none; answered with one part per command.

    `id` names the batch in the transfers' `batch_id`. Later commands see the effect of earlier ones.
    """

    id: UUID
    commands: list[TransferCommand]


class OpenAccount(msgspec.Struct, frozen=True, tag_field="command", tag="open_account", kw_only=True):
    """Open the ledger's side of an account, idempotent by `account_id`.

    `overdraft_limit_minor`: how far below zero it may go; meaningful for `customer` alone, a settlement
    account has no limit and the others have none to spend. `daily_limit_minor` None: no daily limit.
    """

    account_id: UUID
    account_type: AccountType
    currency: str
    overdraft_limit_minor: int = 0
    daily_limit_minor: int | None = None
    actor: str


class SetAccountStatus(msgspec.Struct, frozen=True, tag_field="command", tag="set_account_status", kw_only=True):
    """Freeze, unfreeze (`open`) or close. When answered, it is enforced; the same status again: `exists`.

    `revision` numbers the account's commands: one that arrives after a later one was carried out is refused
    (`revision_outdated`), and the latest one again gets its own answer again, refusal or not. So a command
    that was delayed on the way cannot undo what was confirmed since.

    Closing is refused while the account has open holds (`account_has_holds`, in either direction) or a
    posted balance other than zero (`account_has_balance`); nothing reopens a closed account.
    """

    account_id: UUID
    revision: int
    status: AccountStatus
    actor: str


class SetAccountLimits(msgspec.Struct, frozen=True, tag_field="command", tag="set_account_limits", kw_only=True):
    """Change limits; a field left out stays as it is, `daily_limit_minor` None lifts the daily limit.

    An overdraft limit below what is already used is refused (`overdraft_limit_in_use`). A daily limit below
    what was paid out today is accepted: nothing more goes out today. `revision`: see `SetAccountStatus`.
    """

    account_id: UUID
    revision: int
    overdraft_limit_minor: int | msgspec.UnsetType = msgspec.UNSET
    daily_limit_minor: int | msgspec.UnsetType | None = msgspec.UNSET
    actor: str


LedgerCommand = (
    CreateTransfer
    | PostPending
    | VoidPending
    | Reverse
    | AtomicBatch
    | OpenAccount
    | SetAccountStatus
    | SetAccountLimits
)


class CommandResult(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of one command.

    `created`: done and durable. `exists`: had been done before; the fields say what was done then.
    `refused`: nothing was written; `reason_code` is from the table above and `detail` a sentence for people.
    `amount_minor` is the total debited, held or released by the transfer (0 for commands on accounts).
    `hold_state` is given where a hold is concerned: the state that this command left it in.
    `parts`: one result per command of an `AtomicBatch`, else None.
    """

    status: CommandStatus
    id: UUID
    reason_code: str | None = None
    detail: str | None = None
    amount_minor: int = 0
    hold_state: HoldState | None = None
    created_at: datetime | None = None
    parts: list["CommandResult"] | None = None


# ---- questions -----------------------------------------------------------------------------------------


class ReadBalance(msgspec.Struct, frozen=True, kw_only=True):
    """What an account holds now."""

    account_id: UUID


class Balance(msgspec.Struct, frozen=True, kw_only=True):
    """An account as the ledger sees it now. `found` False: no such account, the rest is empty.

    For these credit-normal accounts posted = credits - debits; available = posted - outgoing holds, without
    the overdraft (None: unlimited) that may be spent beyond it.
    """

    account_id: UUID
    found: bool
    currency: str = ""
    account_type: AccountType | None = None
    status: AccountStatus = "open"
    posted_minor: int = 0
    available_minor: int = 0
    pending_outgoing_minor: int = 0
    pending_incoming_minor: int = 0
    overdraft_limit_minor: int | None = 0
    daily_limit_minor: int | None = None
    daily_used_minor: int = 0


class ReadStatement(msgspec.Struct, frozen=True, kw_only=True):
    """Posted entries of one account, oldest first. `after_version` continues from `next_version`.

    `since` is inclusive, `until` exclusive; None is the account's beginning or now.
    """

    account_id: UUID
    since: datetime | None = None
    until: datetime | None = None
    after_version: int | None = None
    limit: int = 100


class StatementEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One posted line of an account. Amounts in minor units; `version` numbers the account's lines."""

    version: int
    transfer_id: UUID
    kind: TransferKind
    direction: Direction
    amount_minor: int
    balance_after_minor: int
    reference: str
    created_at: datetime


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    """One page: `opening` is the posted balance before its first entry, `closing` after its last one.

    `period_opening` and `period_closing` are the same for the whole period asked for. `next_version` is
    None on the last page.
    """

    account_id: UUID
    found: bool
    currency: str = ""
    opening_minor: int = 0
    closing_minor: int = 0
    period_opening_minor: int = 0
    period_closing_minor: int = 0
    entries: list[StatementEntry] = []
    next_version: int | None = None


class LookupTransfer(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a transfer? Read the module's text on what `found` False does not prove."""

    transfer_id: UUID


class LookedUpTransfer(msgspec.Struct, frozen=True, kw_only=True):
    """`hold_state`, `posted_minor` and `resolved_by` (the post, void or expiry) are those of now."""

    transfer_id: UUID
    found: bool
    kind: TransferKind | None = None
    currency: str = ""
    amount_minor: int = 0
    hold_state: HoldState | None = None
    posted_minor: int = 0
    resolved_by: UUID | None = None
    reversed_by: UUID | None = None
    created_at: datetime | None = None


class ClosingState(msgspec.Struct, frozen=True, kw_only=True):
    """What stands in the way of closing a tenant; asked of `ledger/closing` with the item `null`.

    `accounts_with_customer_balance` counts customer and merchant accounts whose posted balance is not zero.
    """

    open_holds: int
    accounts_with_customer_balance: int
