"""Make `scenario.json`: `python -m bezant.cli.demo.make_scenario`.

Seeded, so that the same file comes out every time; a test holds the shipped file to it. The expected balances are
computed here from the stories alone, by adding and subtracting, and know nothing of the services.
"""

import random
from collections import Counter
from pathlib import Path

from bezant.cli.demo.scenario import (
    AccountRow,
    ActionRow,
    Expected,
    PaymentRow,
    Phase,
    Scenario,
    TenantScenario,
    to_lines,
)

_FIRST = [
    "Ana", "Bruno", "Carla", "Davi", "Elisa", "Felix", "Gita", "Hugo", "Ines", "Jonas",
    "Kaya", "Luca", "Mina", "Noah", "Olga", "Petra", "Rui", "Sara", "Tariq", "Yuki",
]  # fmt: skip
_LAST = [
    "Almeida", "Berg", "Costa", "Dias", "Endo", "Farias", "Gomez", "Haddad", "Ito", "Jansen",
    "Khan", "Lima", "Moreno", "Nakamura", "Ortiz", "Park", "Reis",
]  # fmt: skip


class _Book:
    """Adds up what must come of the payments."""

    def __init__(self) -> None:
        self.balances: Counter[str] = Counter()
        self.status: dict[str, str] = {}
        self.rows: dict[str, PaymentRow] = {}
        self.captured: dict[str, int] = {}
        self.refunded: Counter[str] = Counter()
        self.refunds = 0
        self.repeated = 0

    def pay(self, row: PaymentRow, status: str) -> PaymentRow:
        self.rows[row.ref] = row
        self.repeated += row.sent - 1
        self.status[row.ref] = status
        if status == "captured":
            self._move(row, row.amount_minor)
        return row

    def act(self, ref: str, payment: str, do: str, amount_minor: int | None = None) -> ActionRow:
        row = self.rows[payment]
        match do:
            case "capture" | "approve":
                self._move(row, row.amount_minor if amount_minor is None else amount_minor)
                self.status[payment] = "captured"
            case "void":
                self.status[payment] = "voided"
            case "decline":
                self.status[payment] = "declined"
            case "refund":
                amount = self.captured[payment] - self.refunded[payment] if amount_minor is None else amount_minor
                self.balances[row.destination] -= amount
                self.balances[row.source] += amount
                self.refunded[payment] += amount
                self.refunds += 1
                whole = self.refunded[payment] == self.captured[payment]
                self.status[payment] = "refunded" if whole else "partially_refunded"
        return ActionRow(ref=ref, payment=payment, do=do, amount_minor=amount_minor)

    def _move(self, row: PaymentRow, amount: int) -> None:
        shared = sum(part for _, part in row.splits)
        self.balances[row.source] -= amount
        self.balances[row.destination] += amount - shared
        for account, part in row.splits:
            self.balances[account] += part
        self.captured[row.ref] = amount

    def expected(self, accounts: list[AccountRow]) -> Expected:
        return Expected(
            payments=len(self.rows),
            outcomes=dict(sorted(Counter(self.status.values()).items())),
            refunds=self.refunds,
            repeated=self.repeated,
            balances={account.ref: self.balances[account.ref] for account in accounts},
        )


def _people(prefix: str, count: int, currency: str, chance: random.Random) -> list[AccountRow]:
    return [
        AccountRow(
            ref=f"{prefix}{number:02}",
            name=f"{chance.choice(_FIRST)} {chance.choice(_LAST)}",
            type="customer",
            currency=currency,
        )
        for number in range(1, count + 1)
    ]


def _marketplace() -> TenantScenario:
    """Orders with a 6 % fee and partner shares, manual captures, refunds, a stolen device, a card that is too thin."""
    chance, book, currency = random.Random(1), _Book(), "USD"
    buyers = _people("buyer", 60, currency, chance)
    sellers = [
        AccountRow(ref=f"seller{n:02}", name=f"Seller {n:02}", type="merchant", currency=currency) for n in range(1, 21)
    ]
    thrifty = AccountRow(
        ref="thrifty", name="Thrifty Tom", type="customer", currency=currency, daily_limit_minor=50_000
    )
    accounts = [
        AccountRow(ref="bank", name="Acquiring bank", type="settlement", currency=currency),
        AccountRow(ref="fees", name="Marketplace fees", type="fee", currency=currency),
        AccountRow(ref="partner", name="Delivery partner", type="merchant", currency=currency),
        *buyers, *sellers, thrifty,
        AccountRow(ref="broke", name="Broke Bob", type="customer", currency=currency),
    ]  # fmt: skip
    top_ups = [
        book.pay(
            PaymentRow(ref=f"topup-{a.ref}", source="bank", destination=a.ref, amount_minor=200_000, currency=currency,
                       reference="card top-up"), "captured")
        for a in [*buyers, thrifty]
    ]  # fmt: skip
    top_ups.append(
        book.pay(
            PaymentRow(ref="topup-broke", source="bank", destination="broke", amount_minor=10_000, currency=currency),
            "captured",
        )
    )
    orders, manual, refunded = [], [], []
    for number in range(1, 601):
        amount = chance.randint(500, 15_000)
        fee, share = amount * 6 // 100, 350 if number % 3 == 0 else 0
        splits = [("fees", max(1, fee))] + ([("partner", share)] if share and share + fee < amount else [])
        row = PaymentRow(
            ref=f"order-{number:04}", source=chance.choice(buyers).ref, destination=chance.choice(sellers).ref,
            amount_minor=amount, currency=currency, reference=f"order {number}", splits=splits,
            sent=2 if number % 40 == 0 else 1,
        )  # fmt: skip
        orders.append(book.pay(row, "captured"))
        if number % 25 == 0:
            refunded.append(row)
    for number in range(1, 61):
        row = PaymentRow(
            ref=f"preorder-{number:03}", source=chance.choice(buyers).ref, destination=chance.choice(sellers).ref,
            amount_minor=chance.randint(2_000, 9_000), currency=currency, capture="manual", reference="pre-order",
        )  # fmt: skip
        manual.append(book.pay(row, "authorized"))
    odd = [
        # 3 x 200.00 under a daily limit of 500.00: two pass, in whatever order they arrive
        *(PaymentRow(ref=f"limit-{n}", source="thrifty", destination="seller01", amount_minor=20_000, currency=currency)
          for n in range(3)),
        # 3 x 80.00 from 100.00
        *(PaymentRow(ref=f"funds-{n}", source="broke", destination="seller02", amount_minor=8_000, currency=currency)
          for n in range(3)),
    ]  # fmt: skip
    for position, row in enumerate(odd):
        book.pay(row, "captured" if position in (0, 1, 3) else "failed")
    stolen = [
        book.pay(
            PaymentRow(ref=f"stolen-{n}", source=buyers[n].ref, destination="seller03", amount_minor=4_200,
                       currency=currency, context={"device_id": "stolen-phone"}), "declined")
        for n in range(8)
    ]  # fmt: skip
    captures = []
    for number, row in enumerate(manual):
        do = "void" if number % 6 == 5 else "capture"
        part = row.amount_minor // 2 if number % 6 == 0 else None
        captures.append(book.act(f"{do}-{row.ref}", row.ref, do, part if do == "capture" else None))
    refunds = []
    for number, row in enumerate(refunded):
        half = row.amount_minor // 2 if number % 2 else None
        # the seller kept the amount less the splits, and gives back no more than that
        most = row.amount_minor - sum(part for _, part in row.splits)
        refunds.append(book.act(f"refund-{row.ref}", row.ref, "refund", half if half else most))
    return TenantScenario(
        slug="bazaar", name="Bazaar Marketplace", default_currency=currency,
        story="orders split between seller, delivery partner and the marketplace's 6 % fee",
        blocked_devices=["stolen-phone"], accounts=accounts,
        phases=[
            Phase(name="buyers top up", payments=top_ups),
            Phase(name="orders, pre-orders and trouble", payments=[*orders, *manual, *odd, *stolen]),
            Phase(name="captures and voids", actions=captures),
            Phase(name="refunds", actions=refunds),
        ],
        expected=book.expected(accounts),
    )  # fmt: skip


def _payroll() -> TenantScenario:
    """Salaries in batches in BRL, money sent home in JPY, one transfer above the limit of what is ever allowed."""
    chance, book = random.Random(2), _Book()
    companies = [
        AccountRow(ref=f"company{n:02}", name=f"Company {n:02}", type="customer", currency="BRL") for n in range(1, 13)
    ]
    staff = _people("staff", 60, "BRL", chance)
    senders = _people("sender", 30, "JPY", chance)
    families = _people("family", 30, "JPY", chance)
    accounts = [
        AccountRow(ref="pix", name="Settlement BRL", type="settlement", currency="BRL"),
        AccountRow(ref="zengin", name="Settlement JPY", type="settlement", currency="JPY"),
        AccountRow(ref="fees-jpy", name="Remittance fees", type="fee", currency="JPY"),
        *companies, *staff, *senders, *families,
    ]  # fmt: skip
    funding = [
        # in parts below the amount from which a first payment to a destination is looked at
        book.pay(PaymentRow(ref=f"fund-{a.ref}-{part}", source="pix", destination=a.ref, amount_minor=240_000,
                            currency="BRL", reference="funding"), "captured")
        for a in companies for part in range(5)
    ]  # fmt: skip
    funding += [
        book.pay(PaymentRow(ref=f"fund-{a.ref}", source="zengin", destination=a.ref, amount_minor=200_000,
                            currency="JPY"), "captured")
        for a in senders
    ]  # fmt: skip
    salaries = [
        book.pay(PaymentRow(ref=f"salary-{c.ref}-{s.ref}", source=c.ref, destination=s.ref,
                            amount_minor=chance.randint(8_000, 19_000), currency="BRL", reference="salary"), "captured")
        for c in companies for s in staff
    ]  # fmt: skip
    remittances = []
    for number in range(1, 201):
        amount = chance.randint(1_000, 20_000)
        row = PaymentRow(
            ref=f"remit-{number:03}", source=senders[number % 30].ref, destination=chance.choice(families).ref,
            amount_minor=amount, currency="JPY", splits=[("fees-jpy", 120)], sent=2 if number % 50 == 0 else 1,
        )  # fmt: skip
        remittances.append(book.pay(row, "captured"))
    huge = [
        # above the amount that is never allowed: 100,000 BRL
        book.pay(PaymentRow(ref=f"huge-{n}", source="pix", destination="company01", amount_minor=10_000_001 + n,
                            currency="BRL"), "declined")
        for n in range(3)
    ]  # fmt: skip
    return TenantScenario(
        slug="folha", name="Folha Payroll & Remittance", default_currency="BRL",
        story="twelve companies pay sixty people in batches; families in Japan get yen, which has no decimals",
        accounts=accounts,
        phases=[
            Phase(name="companies and senders are funded", payments=[*funding, *huge]),
            Phase(name="salaries, in batches", payments=salaries, batch_size=60),
            Phase(name="money sent home", payments=remittances),
        ],
        expected=book.expected(accounts),
    )  # fmt: skip


def _gig() -> TenantScenario:
    """Trips in KWD, which has three decimals; large cash-outs that a person reviews."""
    chance, book, currency = random.Random(3), _Book(), "KWD"
    riders, drivers = _people("rider", 40, currency, chance), _people("driver", 25, currency, chance)
    accounts = [
        AccountRow(ref="bank", name="Settlement", type="settlement", currency=currency),
        AccountRow(ref="platform", name="Platform commission", type="fee", currency=currency),
        *riders, *drivers,
    ]  # fmt: skip
    top_ups = [
        book.pay(PaymentRow(ref=f"topup-{a.ref}", source="bank", destination=a.ref, amount_minor=400_000,
                            currency=currency), "captured")
        for a in riders
    ]  # fmt: skip
    trips = []
    for number in range(1, 401):
        amount = chance.randint(750, 12_500)
        row = PaymentRow(
            ref=f"trip-{number:03}", source=riders[number % 40].ref, destination=chance.choice(drivers).ref,
            amount_minor=amount, currency=currency, reference=f"trip {number}",
            splits=[("platform", amount * 15 // 100)],
            context={"ip": f"203.0.113.{number % 200}", "device_id": f"phone-{number % 40}"},
            sent=3 if number % 100 == 0 else 1,
        )  # fmt: skip
        trips.append(book.pay(row, "captured"))
    bonuses = [
        # above 2,500 KWD to somebody paid for the first time by this account: a person looks
        book.pay(PaymentRow(ref=f"bonus-{n:02}", source="bank", destination=drivers[n].ref,
                            amount_minor=2_500_500 + n, currency=currency, reference="yearly bonus"), "requires_review")
        for n in range(10)
    ]  # fmt: skip
    decisions = [
        book.act(f"review-{row.ref}", row.ref, "decline" if number % 4 == 3 else "approve")
        for number, row in enumerate(bonuses[:8])
    ]
    return TenantScenario(
        slug="rihla", name="Rihla Rides", default_currency=currency,
        story="trips in dinars of a thousand fils, 15 % commission, and bonuses that a person reviews",
        accounts=accounts,
        phases=[
            Phase(name="riders top up", payments=top_ups),
            Phase(name="trips", payments=trips),
            Phase(name="yearly bonuses", payments=bonuses),
            Phase(name="the risk desk decides eight of ten", actions=decisions),
        ],
        expected=book.expected(accounts),
    )  # fmt: skip


def make_scenario() -> Scenario:
    """Return the scenario."""
    return Scenario(tenants=[_marketplace(), _payroll(), _gig()])


if __name__ == "__main__":
    (Path(__file__).parent / "scenario.json").write_text(to_lines(make_scenario()))
