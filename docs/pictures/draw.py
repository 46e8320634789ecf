"""Draw the pictures of the documentation: `python docs/pictures/draw.py`. Standard library only."""

from html import escape
from pathlib import Path

INK, SOFT, LINE = "#1f2933", "#52606d", "#9aa5b1"
FILLS = {"service": "#e3f0fb", "store": "#fdf3dc", "edge": "#e4f4ea", "outside": "#f3f4f6", "event": "#fde8e4"}
FONT = "font-family='Inter, Helvetica, Arial, sans-serif'"


class Picture:
    """An SVG that boxes, arrows and texts are put into; units are pixels."""

    def __init__(self, width: int, height: int, title: str) -> None:
        self.parts = [
            f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width} {height}' width='{width}' height='{height}' "
            f"role='img' aria-label='{escape(title)}'>",
            "<defs><marker id='tip' viewBox='0 0 8 8' refX='7' refY='4' markerWidth='7' markerHeight='7' "
            f"orient='auto-start-reverse'><path d='M0 0L8 4L0 8z' fill='{SOFT}'/></marker></defs>",
            f"<rect width='{width}' height='{height}' fill='white'/>",
        ]

    def box(
        self, x: int, y: int, w: int, h: int, title: str, lines: list[str] | None = None, kind: str = "service"
    ) -> None:
        self.parts.append(
            f"<rect x='{x}' y='{y}' width='{w}' height='{h}' rx='8' fill='{FILLS[kind]}' stroke='{LINE}'/>"
        )
        first = y + (h - 17 * len(lines or [])) / 2 + 5
        self.text(x + w / 2, first, title, size=14, bold=True)
        for number, line in enumerate(lines or [], 1):
            self.text(x + w / 2, first + 17 * number, line, size=11.5, colour=SOFT)

    def text(
        self,
        x: float,
        y: float,
        text: str,
        *,
        size: float = 12,
        bold: bool = False,
        colour: str = INK,
        anchor: str = "middle",
    ) -> None:
        weight = "600" if bold else "400"
        self.parts.append(
            f"<text x='{x}' y='{y}' {FONT} font-size='{size}' font-weight='{weight}' fill='{colour}' "
            f"text-anchor='{anchor}'>{escape(text)}</text>"
        )

    def arrow(self, *points: tuple[float, float], dashed: bool = False, both: bool = False) -> None:
        path = " ".join(f"{'M' if n == 0 else 'L'}{x} {y}" for n, (x, y) in enumerate(points))
        dash = " stroke-dasharray='5 4'" if dashed else ""
        start = " marker-start='url(#tip)'" if both else ""
        self.parts.append(
            f"<path d='{path}' fill='none' stroke='{SOFT}' stroke-width='1.4'{dash} marker-end='url(#tip)'{start}/>"
        )

    def save(self, name: str) -> None:
        (Path(__file__).parent / name).write_text("\n".join([*self.parts, "</svg>"]) + "\n")


def architecture() -> None:
    p = Picture(1080, 640, "The parts of Bezant")
    p.box(40, 30, 1000, 50, "Your product", ["API key of a tenant  ·  webhooks back"], "outside")
    p.box(40, 120, 1000, 46, "Envoy gateway", ["a route per service, health checks, timeouts, body limit"], "edge")
    p.arrow((540, 80), (540, 118), both=True)
    names = [
        ("tenant", ["registry, keys,", "onboarding saga"]), ("account", ["lifecycle, limits,", "statements"]),
        ("payment", ["idempotency,", "lifecycle"]), ("transaction", ["double-entry", "ledger"]),
        ("fraud", ["velocity, rules,", "review cases"]), ("notification", ["signed webhooks,", "retries, replay"]),
        ("audit", ["Merkle log,", "proofs"]),
    ]  # fmt: skip
    for n, (name, lines) in enumerate(names):
        x = 40 + n * 145
        p.box(x, 210, 130, 84, name, lines)
        p.arrow((x + 65, 166), (x + 65, 208))
    p.arrow((460, 230), (473, 230))
    p.arrow((395, 294), (395, 316), (685, 316), (685, 296))
    p.arrow((285, 210), (285, 188), (565, 188), (565, 208))
    p.box(
        40,
        370,
        1000,
        50,
        "Events: Kafka protocol",
        ["outbox row in the transaction, relay, CloudEvents, inbox at the consumer"],
        "event",
    )
    for n in range(7):
        x = 105 + n * 145 - (30 if n in (2, 4) else 0)
        p.arrow((x, 294), (x, 368), dashed=True, both=True)
    p.parts.append("<rect x='232' y='322' width='616' height='22' fill='white'/>")
    p.text(
        540,
        337,
        "payment asks fraud (score) and transaction (post); account asks transaction. All else is an event.",
        size=11.5,
        colour=SOFT,
    )
    p.box(
        40,
        470,
        230,
        120,
        "Control database",
        ["tenants, placements, API keys,", "sagas, leases, due work", "(no money)"],
        "store",
    )
    for n, tenant in enumerate(("Tenant A", "Tenant B", "Tenant C ...")):
        p.box(
            310 + n * 165, 470, 150, 120, tenant, ["own database: a schema", "and a role for", "each service"], "store"
        )
    p.box(820, 470, 220, 120, "Valkey cluster", ["3 shards x 2: velocity", "counters, rate limits"], "store")
    p.text(
        540,
        450,
        "each service: one connection pool per tenant, credentials from the secret store",
        size=11.5,
        colour=SOFT,
    )
    p.save("architecture.svg")


def sequence(name: str, title: str, lanes: list[tuple[str, str]], steps: list[tuple[int, int, str]]) -> None:
    """Draw lanes with numbered steps between them; a step from a lane to itself is done inside it."""
    width, gap = 1080, 1000 // len(lanes)
    height = 110 + 46 * len(steps)
    p = Picture(width, height, title)
    middle = [40 + gap * n + gap / 2 for n in range(len(lanes))]
    for (lane, kind), x in zip(lanes, middle, strict=True):
        p.box(int(x - gap / 2 + 8), 20, gap - 16, 40, lane, kind=kind)
        p.parts.append(f"<path d='M{x} 60V{height - 20}' stroke='{LINE}' stroke-dasharray='2 4'/>")
    for number, (start, end, label) in enumerate(steps, 1):
        y = 92 + 46 * (number - 1)
        text = f"{number}. {label}"
        if start == end:
            left = middle[start] + 12 if start < len(lanes) - 1 else middle[start] - 12
            anchor = "start" if start < len(lanes) - 1 else "end"
            p.parts.append(f"<circle cx='{middle[start]}' cy='{y}' r='5' fill='{SOFT}'/>")
            p.text(left, y + 4, text, size=12, anchor=anchor)
        else:
            p.arrow((middle[start], y), (middle[end], y))
            p.text((middle[start] + middle[end]) / 2, y - 7, text, size=12)
    p.save(name)


def paths() -> None:
    sequence(
        "request-path.svg", "The path of a payment",
        [("client", "outside"), ("gateway", "edge"), ("payment", "service"), ("fraud", "service"), ("transaction", "service"), ("tenant database", "store")],
        [
            (0, 1, "POST /v1/payments, key"), (1, 2, "route"), (2, 2, "key, rate limit, accounts known, group gathers"),
            (2, 5, "claim the keys, write payments as processing (commit)"), (2, 3, "score the group"), (3, 5, "assessments (commit)"),
            (2, 4, "post the group, transfer id = payment id"), (4, 5, "lock, post, events (commit)"),
            (2, 5, "outcomes, answers, events (commit)"), (2, 0, "201 with the outcome"),
        ],
    )  # fmt: skip
    sequence(
        "onboarding-path.svg", "The path of an onboarding",
        [("administrator", "outside"), ("tenant service", "service"), ("PostgreSQL", "store"), ("secret store", "store"), ("Kafka", "event"), ("every instance", "service")],
        [
            (0, 1, "POST /v1/tenants"), (1, 2, "tenant, API key, operation (one commit)"), (1, 0, "202, key shown once"),
            (1, 2, "clone the template, migrate, create roles"), (1, 3, "one secret per service"), (1, 4, "tenant.created (outbox row)"),
            (4, 5, "each instance gets it"), (5, 3, "fetch own credential"), (5, 2, "open pool, connect, acknowledge"),
            (1, 2, "all live instances have, or lost their lease: active"),
        ],
    )  # fmt: skip
    sequence(
        "event-path.svg", "The path of an event",
        [("service", "service"), ("tenant database", "store"), ("relay", "service"), ("Kafka", "event"), ("consumer", "service"), ("its schema", "store")],
        [
            (0, 1, "state and outbox row (one commit)"), (0, 2, "wake"), (2, 1, "lock, oldest unpublished rows"), (2, 3, "publish, wait for the broker"),
            (2, 1, "mark published (commit)"), (3, 4, "batch per tenant"), (4, 5, "inbox and effect (one commit)"), (4, 3, "commit offsets"),
            (4, 4, "database down: set aside, resumed in order"),
        ],
    )  # fmt: skip


if __name__ == "__main__":
    architecture()
    paths()
