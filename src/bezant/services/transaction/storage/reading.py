"""Read from the database what a group of commands refers to, under locks."""

from collections.abc import Iterable
from itertools import groupby
from operator import itemgetter
from typing import Any
from uuid import UUID

from bezant.contracts.internal.ledger import CreateTransfer, Leg, PostPending, Reverse
from bezant.foundation.tenancy import TenantTransaction
from bezant.services.transaction.domain.accounts import LedgerAccount
from bezant.services.transaction.domain.book import Book, Hold, KnownTransfer, Submitted
from bezant.services.transaction.storage import QUERIES


class BookChanged(Exception):
    """A transfer that the group refers to came into being while its accounts were being locked: read again."""


async def read_book(tx: TenantTransaction, commands: Iterable[Submitted]) -> Book:
    """Lock every account that the commands may touch, and return all that is needed to decide them.

    What the commands refer to is read after the locks were taken, so that it cannot change any more. Raises
    `BookChanged` when the locks turn out to be too few.
    """
    ids: set[UUID] = set()
    account_ids: set[UUID] = set()
    pending_ids: set[UUID] = set()
    reversed_ids: set[UUID] = set()
    for submitted in commands:
        command = submitted.command
        ids.add(command.id)
        if isinstance(command, CreateTransfer):
            account_ids.update(leg.account_id for leg in command.legs)
        elif isinstance(command, Reverse):
            reversed_ids.add(command.transfer_id)
        else:
            pending_ids.add(command.pending_id)
            if isinstance(command, PostPending) and command.legs is not None:
                account_ids.update(leg.account_id for leg in command.legs)
    referenced = pending_ids | reversed_ids
    if referenced:
        rows = await tx.fetch_all(QUERIES["accounts_of_transfers"], {"transfer_ids": list(referenced)})
        account_ids.update(row[0] for row in rows)
    rows = await tx.fetch_all(
        QUERIES["lock_accounts_and_look"], {"account_ids": sorted(account_ids), "transfer_ids": list(ids)}
    )
    accounts = {row[2]: ledger_account(row[2:]) for row in rows if row[2] is not None}
    book = Book(now=max(row[0] for row in rows), accounts=accounts)
    if referenced or rows[0][1]:
        # Only now, under the locks. A transfer of the same id that came into being while they were waited for is
        # refused by its primary key, and the group is read again.
        for row in await tx.fetch_all(QUERIES["known_transfers"], {"transfer_ids": list(ids | referenced)}):
            if row[1] is not None:
                book.transfers[row[1]] = _known_transfer(row[1:])
    if pending_ids:
        await _read_holds(tx, book, pending_ids)
    if reversed_ids:
        await _read_posted_legs(tx, book, reversed_ids)
    return book


async def lock_accounts(tx: TenantTransaction, account_ids: set[UUID]) -> dict[UUID, LedgerAccount]:
    """Lock the accounts that exist, in the order of their ids, so that two groups never wait in a circle."""
    rows = await tx.fetch_all(QUERIES["lock_accounts"], {"account_ids": sorted(account_ids)})
    return {row[0]: ledger_account(row) for row in rows}


def ledger_account(row: tuple[Any, ...]) -> LedgerAccount:
    """Return the account of a row of `lock_accounts` or `read_accounts`."""
    return LedgerAccount(
        id=row[0],
        account_type=row[1],
        currency=row[2],
        normal_side=row[3],
        status=row[4],
        overdraft_limit_minor=row[5],
        daily_limit_minor=row[6],
        posted_debits=int(row[7]),
        posted_credits=int(row[8]),
        pending_debits=int(row[9]),
        pending_credits=int(row[10]),
        version=row[11],
        limit_day=row[12],
        limit_day_out_minor=int(row[13]),
        policy_revision=row[14],
        policy_refusal=row[15],
    )


def _known_transfer(row: tuple[Any, ...]) -> KnownTransfer:
    return KnownTransfer(
        id=row[0],
        kind=row[1],
        currency=row[2],
        amount_minor=row[3],
        fingerprint=row[4],
        origin=row[5],
        created_at=row[6],
        reversed_by=row[7],
    )


async def _read_holds(tx: TenantTransaction, book: Book, pending_ids: set[UUID]) -> None:
    rows = await tx.fetch_all(QUERIES["holds_with_legs"], {"transfer_ids": list(pending_ids)})
    for transfer_id, of_hold in groupby(rows, key=itemgetter(0)):
        lines = list(of_hold)
        first = lines[0]
        legs = tuple(Leg(line[9], line[10], line[11]) for line in lines)
        _require_locked(book, legs)
        book.holds[transfer_id] = Hold(
            transfer_id=transfer_id,
            currency=first[1],
            origin=first[2],
            legs=legs,
            amount_minor=first[4],
            expires_at=first[6],
            limit_day=first[7],
            state=first[3],
            posted_amount_minor=first[5],
            resolved_by=first[8],
        )


async def _read_posted_legs(tx: TenantTransaction, book: Book, reversed_ids: set[UUID]) -> None:
    rows = await tx.fetch_all(QUERIES["posted_legs"], {"transfer_ids": list(reversed_ids)})
    for transfer_id, lines in groupby(rows, key=itemgetter(0)):
        legs = tuple(Leg(line[1], line[2], line[3]) for line in lines)
        _require_locked(book, legs)
        if transfer_id not in book.transfers:
            raise BookChanged
        book.transfers[transfer_id].legs = legs


def _require_locked(book: Book, legs: Iterable[Leg]) -> None:
    if any(leg.account_id not in book.accounts for leg in legs):
        raise BookChanged
