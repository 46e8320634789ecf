"""The judge: what the platform must have done follows from the journal, and is compared with what it says.

Every acknowledged payment exists exactly once and as it was acknowledged; there is no other; balances are the sums
of the acknowledged effects; the ledger checks out; nothing is left in between; the audit log verifies and holds
each outcome once; so do the webhooks, without a gap.
"""

import asyncio
from collections import Counter, defaultdict
from dataclasses import dataclass, field

from bezant.client import BezantClient
from bezant.services.audit.outside_verification import verify_log

from .fleet import Fleet, eventually
from .journal import Document, Entry, Journal, JournallingClient
from .receiver import Inbox

CATCH_UP_SECONDS = 60.0
_REPEATED_AT_ONCE = 8
_REPEATED_SAMPLE = 40
Occurrence = tuple[str, str]
"""A payment's id and the type of an event about it."""


@dataclass(slots=True)
class Expected:
    """A payment as its acknowledgements leave it."""

    document: Document
    status: str
    captured_minor: int
    refunded_minor: int = 0
    occurrences: Counter[Occurrence] = field(default_factory=Counter)

    @classmethod
    def of(cls, entry: Entry) -> "Expected":
        document = entry.done
        status = document["status"]
        captured = document["amount"]["amount_minor"] if status == "captured" else 0
        return cls(document, status, captured, occurrences=Counter({(document["id"], f"payment.{status}"): 1}))

    def apply(self, action: Entry) -> None:
        """Add what an acknowledged capture, void or refund does. One that was refused did nothing."""
        assert action.final is not None
        if action.final.status not in (200, 201):
            return
        asked = action.body.get("amount_minor")
        match action.kind:
            case "capture":
                self.status = "captured"
                self.captured_minor = self.document["amount"]["amount_minor"] if asked is None else asked
                self._happened("payment.captured")
            case "void":
                self.status = "voided"
                self._happened("payment.voided")
            case "refund":
                refund = action.final.document
                if refund["status"] == "failed":
                    self._happened("payment.refund_failed")
                    return
                self.refunded_minor += refund["amount"]["amount_minor"]
                self._happened("payment.refunded")

    def _happened(self, event_type: str) -> None:
        self.occurrences[(self.document["id"], event_type)] += 1

    @property
    def final_status(self) -> str:
        if not self.refunded_minor:
            return self.status
        return "refunded" if self.refunded_minor == self.captured_minor else "partially_refunded"


def expected_payments(journal: Journal) -> dict[str, Expected]:
    """Return every payment that must exist, by id."""
    found: dict[str, Expected] = {}
    for entry in journal.of("payment"):
        expected = Expected.of(entry)
        payment_id = expected.document["id"]
        assert payment_id not in found, f"two keys were answered with the same payment {payment_id}"
        found[payment_id] = expected
    for action in journal.of("capture", "void", "refund"):
        assert action.payment is not None
        found[action.payment.done["id"]].apply(action)
    return found


def expected_balances(journal: Journal, payments: dict[str, Expected]) -> dict[str, int]:
    """Return what each account must hold, in minor units."""
    balances: dict[str, int] = defaultdict(int)
    for expected in payments.values():
        source, destination = expected.document["source_account_id"], expected.document["destination_account_id"]
        if expected.captured_minor:
            shared = 0
            for split in expected.document["splits"]:
                balances[split["account_id"]] += split["amount_minor"]
                shared += split["amount_minor"]
            balances[source] -= expected.captured_minor
            balances[destination] += expected.captured_minor - shared
        balances[destination] -= expected.refunded_minor
        balances[source] += expected.refunded_minor
    return {entry.done["id"]: balances[entry.done["id"]] for entry in journal.of("account")}


@dataclass(frozen=True, slots=True)
class Judge:
    """Judges one tenant at a time. Every check raises `AssertionError` saying what is not as it must be."""

    fleet: Fleet
    client: JournallingClient
    inboxes: dict[str, Inbox]

    async def judge(self, *journals: Journal) -> None:
        await self.fleet.ready()
        await asyncio.gather(*(self._judge(journal) for journal in journals))

    async def _judge(self, journal: Journal) -> None:
        unfinished = [entry.path for entry in journal.entries if entry.final is None]
        assert not unfinished, f"without a final answer: {unfinished}"
        ours = [reason for entry in journal.entries for reason in entry.unanswered if reason.startswith("500")]
        assert not ours, f"{len(ours)} requests were answered 500: {ours[:3]}"
        await self._repeat(journal)
        payments = expected_payments(journal)
        async with BezantClient(self.fleet.platform.url, journal.api_key) as api:
            await self._compare_payments(api, payments)
            await self._compare_accounts(api, journal, payments)
            occurrences: Counter[Occurrence] = Counter()
            for expected in payments.values():
                occurrences += expected.occurrences
            await self._compare_audit(api, journal, occurrences)
        await self._compare_webhooks(self.inboxes[journal.slug], occurrences)
        await self._nothing_left_behind(journal)

    async def _repeat(self, journal: Journal) -> None:
        """Send requests again under their keys: the answer is the acknowledged one, to the byte."""
        interrupted = [entry for entry in journal.entries if entry.was_interrupted]
        others = [entry for entry in journal.entries if not entry.was_interrupted][-_REPEATED_SAMPLE:]
        gate = asyncio.Semaphore(_REPEATED_AT_ONCE)

        async def repeat(entry: Entry) -> None:
            final = entry.final
            assert final is not None
            if final.status >= 400 and final.document["code"] != "ledger_refused":
                # Nothing was recorded, so that the same key may be used for another attempt.
                return
            async with gate:
                again = await eventually(lambda: self.client.attempt(journal, entry), f"an answer to {entry.path}")
            assert (again.status, again.body) == (final.status, final.body), (
                f"{entry.path} under its key was answered differently:\n{final.body!r}\n{again.body!r}"
            )

        await asyncio.gather(*(repeat(entry) for entry in interrupted + others))

    async def _compare_payments(self, api: BezantClient, expected: dict[str, Expected]) -> None:
        found: dict[str, Document] = {}
        async for payment in api.pages("/v1/payments"):
            assert payment["id"] not in found, f"payment {payment['id']} is listed twice"
            found[payment["id"]] = payment
        missing, unknown = expected.keys() - found.keys(), found.keys() - expected.keys()
        assert not missing, f"{len(missing)} acknowledged payments do not exist: {sorted(missing)[:5]}"
        assert not unknown, (
            f"payments that nobody asked for: {[found[payment_id] for payment_id in sorted(unknown)[:5]]}"
        )
        for payment_id, wanted in expected.items():
            payment = found[payment_id]
            assert (
                payment["status"],
                payment["captured"]["amount_minor"],
                payment["refunded"]["amount_minor"],
                payment["reference"],
                payment["amount"],
            ) == (
                wanted.final_status,
                wanted.captured_minor,
                wanted.refunded_minor,
                wanted.document["reference"],
                wanted.document["amount"],
            ), f"payment {payment_id} is not as it was acknowledged"

    async def _compare_accounts(self, api: BezantClient, journal: Journal, payments: dict[str, Expected]) -> None:
        listed = [account["id"] async for account in api.pages("/v1/accounts")]
        balances = expected_balances(journal, payments)
        assert sorted(listed) == sorted(balances), "the accounts are not those that were acknowledged"
        held: Counter[str] = Counter()
        for expected in payments.values():
            if expected.final_status in ("authorized", "requires_review"):
                held[expected.document["source_account_id"]] += expected.document["amount"]["amount_minor"]
        for account_id, amount_minor in balances.items():
            balance = await api.get(f"/v1/accounts/{account_id}/balance")
            assert balance["posted"]["amount_minor"] == amount_minor, f"the balance of {account_id}"
            assert balance["pending"]["amount_minor"] == held[account_id], f"the holds on {account_id}"
        check = await api.get("/v1/ledger/check")
        assert check["consistent"], f"the ledger check names {check}"

    async def _compare_audit(self, api: BezantClient, journal: Journal, occurrences: Counter[Occurrence]) -> None:
        seen: Counter[Occurrence] = Counter()
        entry_ids: set[str] = set()
        cursor: str | None = None

        async def caught_up() -> bool:
            nonlocal cursor
            while True:
                page = await api.get("/v1/audit/entries", limit=1000, cursor=cursor)
                for entry in page["data"]:
                    if entry["entry_id"] not in entry_ids and _is_outcome(entry["type"]):
                        seen[(entry["subject"], entry["type"])] += 1
                    entry_ids.add(entry["entry_id"])
                if page["next_cursor"] is None:
                    return not occurrences - seen
                cursor = page["next_cursor"]

        try:
            await eventually(caught_up, "the audit log has every outcome", within_seconds=CATCH_UP_SECONDS)
        except AssertionError as error:
            raise AssertionError(f"{error}; missing {occurrences - seen}") from error
        assert not seen - occurrences, f"the audit log has outcomes that never were: {seen - occurrences}"
        log = await verify_log(self.fleet.platform.url, journal.api_key)
        assert log.size >= len(entry_ids)

    async def _compare_webhooks(self, inbox: Inbox, occurrences: Counter[Occurrence]) -> None:
        def arrived() -> Counter[Occurrence]:
            return Counter(
                (message.subject, message.type) for message in inbox.messages.values() if _is_outcome(message.type)
            )

        async def all_there() -> bool:
            return not occurrences - arrived() and not inbox.missing()

        try:
            await eventually(all_there, "every webhook has arrived", within_seconds=CATCH_UP_SECONDS)
        except AssertionError as error:
            lacking = occurrences - arrived()
            raise AssertionError(f"{error}; missing {lacking}, sequence numbers {inbox.missing()[:10]}") from error
        assert not arrived() - occurrences, f"webhooks about what never was, or twice: {arrived() - occurrences}"
        assert not inbox.forged, f"{inbox.forged} webhooks without a genuine signature"

    async def _nothing_left_behind(self, journal: Journal) -> None:
        """Look inside: no outbox, no parked event and no unfinished work is left."""
        database = await self.fleet.database_of(journal.tenant_id)

        async def settled() -> bool:
            left = await self.fleet.rows(_LEFT_IN_TENANT, database=database)
            parked = await self.fleet.rows(
                "SELECT 'parked events', count(*) FROM control.parked_events WHERE tenant_id = %s", journal.tenant_id
            )
            return not any(count for _, count in [*left, *parked])

        await eventually(settled, "no outbox row, intent or parked event is left")


_LEFT_IN_TENANT = " UNION ALL ".join(
    [
        f"SELECT '{schema} outbox', count(*) FROM {schema}.outbox WHERE published_at IS NULL"
        for schema in ("account", "ledger", "payment", "fraud")
    ]
    + [
        "SELECT 'payments', count(*) FROM payment.payments WHERE status = 'processing'",
        "SELECT 'actions', count(*) FROM payment.actions WHERE status = 'processing'",
        "SELECT 'accounts', count(*) FROM account.accounts WHERE status = 'opening'",
    ]
)


def _is_outcome(event_type: str) -> bool:
    # A score that came late is about a payment, and no outcome of it.
    return event_type.startswith("payment.") and event_type != "payment.rescored"
