"""Random histories of commands for the ledger, and an oracle that knows nothing of its code.

The oracle keeps plain lists and adds everything up again for each command, so that it has nothing in common
with the running sums it judges.
"""

import random
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from bezant.contracts.internal.ledger import (
    AccountType,
    CreateTransfer,
    Leg,
    OpenAccount,
    PostPending,
    Reverse,
    VoidPending,
)
from bezant.services.transaction.domain.book import Submitted, SubmittedBatch

START = datetime(2026, 3, 4, 12, tzinfo=UTC)
Item = Submitted | SubmittedBatch


def accounts(rng: random.Random) -> list[OpenAccount]:
    """Seven accounts in two currencies: unlimited, overdrawn to a limit, daily-limited and plain ones."""

    def one(kind: AccountType, currency: str, overdraft: int = 0, daily: int | None = None) -> OpenAccount:
        return OpenAccount(
            account_id=uuid.UUID(int=rng.getrandbits(128)),
            account_type=kind,
            currency=currency,
            overdraft_limit_minor=overdraft,
            daily_limit_minor=daily,
            actor="test",
        )

    return [
        one("settlement", "USD"),
        one("customer", "USD"),
        one("customer", "USD", overdraft=50),
        one("customer", "USD", daily=80),
        one("merchant", "USD"),
        one("fee", "USD"),
        one("settlement", "JPY"),
        one("customer", "JPY"),
    ]


class Histories:
    """Makes random commands that are likely to collide: few accounts, small amounts, repeated ids."""

    def __init__(self, rng: random.Random, opened: list[OpenAccount]) -> None:
        self._rng = rng
        self._accounts = opened
        self._ids = [uuid.UUID(int=rng.getrandbits(128)) for _ in range(4)]
        self._made: list[Submitted] = []

    def _id(self) -> uuid.UUID:
        made = uuid.UUID(int=self._rng.getrandbits(128))
        self._ids.append(made)
        return made

    def _legs(self) -> tuple[str, list[Leg]]:
        rng = self._rng
        currency = rng.choice(["USD", "USD", "USD", "JPY"])
        pool = [a.account_id for a in self._accounts if a.currency == currency or rng.random() < 0.02]
        if rng.random() < 0.25 and len(pool) > 2:
            source, one, other = rng.sample(pool, 3)
            first, second = rng.randint(1, 40), rng.randint(1, 10)
            found = [
                Leg(source, "debit", first + second),
                Leg(one, "credit", first),
                Leg(other, "credit", second),
            ]
            if rng.random() < 0.03:
                found[2] = Leg(other, "credit", second + 1)
            return currency, found
        debit, credit = rng.sample(pool, 2) if rng.random() < 0.97 else [pool[0], pool[0]]
        if rng.random() < 0.4:
            # money enters through the settlement account; without it everything is refused for lack of funds
            debit = next(a.account_id for a in self._accounts if a.account_id in pool)
            credit = rng.choice([other for other in pool if other != debit])
        amount = rng.choice([0, 2**53]) if rng.random() < 0.02 else rng.randint(1, 60)
        return currency, [Leg(debit, "debit", amount), Leg(credit, "credit", amount)]

    def submitted(self) -> Submitted:
        """Return one command: now and then one that was made before, or an old id with other content."""
        rng = self._rng
        if self._made and rng.random() < 0.08:
            return rng.choice(self._made)
        own_id = rng.choice(self._ids) if rng.random() < 0.03 else self._id()
        what = rng.random()
        holds = [made.command.id for made in self._made if getattr(made.command, "pending", False)]
        recent = holds[-5:] if holds and what < 0.9 and rng.random() < 0.85 else self._ids[-12:]
        target = rng.choice(recent)
        command: CreateTransfer | PostPending | VoidPending | Reverse
        if what < 0.6:
            currency, found = self._legs()
            pending = rng.random() < 0.4
            command = CreateTransfer(
                id=own_id,
                currency=currency,
                legs=found,
                pending=pending,
                refund=rng.random() < 0.1,
                metadata={"n": str(len(self._made))} if rng.random() < 0.3 else {},
                actor="test",
            )
        elif what < 0.78:
            command = PostPending(
                id=own_id,
                pending_id=target,
                amount_minor=rng.choice([None, None, rng.randint(1, 50)]),
                actor="test",
            )
        elif what < 0.9:
            command = VoidPending(id=own_id, pending_id=target, actor="test")
        else:
            command = Reverse(id=own_id, transfer_id=target, actor="test")
        made = Submitted(command, "payment" if rng.random() < 0.3 else "ledger")
        self._made.append(made)
        return made

    def item(self) -> Item:
        """Return a command or an atomic batch of up to four."""
        if self._rng.random() < 0.12:
            commands = tuple(self.submitted() for _ in range(self._rng.randint(1, 4)))
            return SubmittedBatch(self._id(), commands)
        return self.submitted()


@dataclass
class _Fact:
    submitted: Submitted
    posted: list[Leg]
    held: list[Leg]
    day_legs: list[Leg]
    reversed: bool = False
    resolved: bool = False


@dataclass
class Oracle:
    """Says whether a command is accepted (`created`, `exists`) or refused, from first principles."""

    opened: dict[uuid.UUID, OpenAccount]
    facts: dict[uuid.UUID, _Fact] = field(default_factory=dict)

    def judge(self, item: Item) -> list[str]:
        """Return one status per command of the item, and remember what was accepted."""
        if isinstance(item, Submitted):
            return [self._judge(item)]
        before = {key: _Fact(**vars(fact)) for key, fact in self.facts.items()}
        statuses = []
        for submitted in item.commands:
            statuses.append(self._judge(submitted))
            if statuses[-1] == "refused":
                self.facts = before
                return ["refused"] * len(item.commands)
        return statuses

    def posted(self, account: uuid.UUID) -> int:
        return sum(
            leg.amount_minor if leg.direction == "credit" else -leg.amount_minor
            for fact in self.facts.values()
            for leg in fact.posted
            if leg.account_id == account
        )

    def held(self, account: uuid.UUID, direction: str = "debit") -> int:
        return sum(
            leg.amount_minor
            for fact in self.facts.values()
            if not fact.resolved
            for leg in fact.held
            if leg.account_id == account and leg.direction == direction
        )

    def _out(self, account: uuid.UUID) -> int:
        return sum(
            leg.amount_minor
            for fact in self.facts.values()
            for leg in fact.day_legs
            if leg.account_id == account and leg.direction == "debit"
        )

    def _judge(self, submitted: Submitted) -> str:
        command = submitted.command
        known = self.facts.get(command.id)
        if known is not None:
            return "exists" if known.submitted == submitted else "refused"
        fact = self._fact(submitted)
        if fact is None:
            return "refused"
        out_before = {account: self._out(account) for account in self.opened}
        resolving = getattr(command, "pending_id", None)
        saved = None
        if resolving is not None:
            hold = self.facts[resolving]
            saved = (hold, hold.day_legs)
            hold.resolved, hold.day_legs = True, []
        self.facts[command.id] = fact
        if self._breaks_limits(fact, out_before):
            del self.facts[command.id]
            if saved is not None:
                saved[0].resolved, saved[0].day_legs = False, saved[1]
            return "refused"
        if isinstance(command, Reverse):
            self.facts[command.transfer_id].reversed = True
        return "created"

    def _breaks_limits(self, fact: _Fact, out_before: dict[uuid.UUID, int]) -> bool:
        for leg in fact.posted + fact.held:
            opened = self.opened[leg.account_id]
            if opened.account_type != "settlement":
                free = self.posted(leg.account_id) - self.held(leg.account_id)
                if free < -opened.overdraft_limit_minor:
                    return True
            out = self._out(leg.account_id)
            if opened.daily_limit_minor is not None and out > max(opened.daily_limit_minor, out_before[leg.account_id]):
                return True
        return False

    def _fact(self, submitted: Submitted) -> _Fact | None:
        command = submitted.command
        if isinstance(command, CreateTransfer):
            found = list(command.legs)
            if not self._legs_fit(found, command.currency):
                return None
            counts = [] if command.refund and submitted.origin == "payment" else found
            return _Fact(submitted, [] if command.pending else found, found if command.pending else [], counts)
        if isinstance(command, Reverse):
            target = self.facts.get(command.transfer_id)
            if target is None or target.reversed or not target.posted or not self._may(submitted, target):
                return None
            if isinstance(target.submitted.command, Reverse):
                return None
            swap = {"debit": "credit", "credit": "debit"}
            mirrored = [Leg(leg.account_id, swap[leg.direction], leg.amount_minor) for leg in target.posted]  # type: ignore[arg-type]
            return _Fact(submitted, mirrored, [], [])
        hold = self.facts.get(command.pending_id)
        if hold is None or not hold.held or hold.resolved or not self._may(submitted, hold):
            return None
        if isinstance(command, VoidPending):
            return _Fact(submitted, [], [], [])
        assert isinstance(command, PostPending)
        total = sum(leg.amount_minor for leg in hold.held if leg.direction == "debit")
        amount = total if command.amount_minor is None else command.amount_minor
        if amount > total or (amount < total and len(hold.held) > 2):
            return None
        posted = hold.held if amount == total else [Leg(leg.account_id, leg.direction, amount) for leg in hold.held]
        return _Fact(submitted, posted, [], posted if hold.day_legs else [])

    def _may(self, submitted: Submitted, target: _Fact) -> bool:
        return submitted.origin == "payment" or target.submitted.origin == "ledger"

    def _legs_fit(self, found: list[Leg], currency: str) -> bool:
        debits = sum(leg.amount_minor for leg in found if leg.direction == "debit")
        credits = sum(leg.amount_minor for leg in found if leg.direction == "credit")
        return (
            debits == credits
            and all(1 <= leg.amount_minor < 2**53 for leg in found)
            and len({leg.account_id for leg in found}) == len(found)
            and all(self.opened[leg.account_id].currency == currency for leg in found)
        )


def later(**delta: float) -> datetime:
    """Return an instant after the start of all histories."""
    return START + timedelta(**delta)
