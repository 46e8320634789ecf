"""Show what the demo did."""

from datetime import datetime
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bezant.cli.demo.check import TenantReport
from bezant.contracts.money import format_amount

_ORDER = ("captured", "partially_refunded", "refunded", "authorized", "requires_review", "voided", "declined", "failed",
          "expired", "processing")  # fmt: skip


def show_report(console: Console, reports: list[TenantReport]) -> None:
    """Print the onboarding timeline, the outcomes and the checks of every tenant."""
    console.print()
    console.print(_onboarding(reports))
    console.print(_outcomes(reports))
    console.print(_checks(reports))
    console.print(_backtests(reports))
    show_failures(console, reports)


def show_failures(console: Console, reports: list[TenantReport]) -> None:
    """Print what is not as it should be, a line each."""
    for report in reports:
        for failure in report.failures:
            console.print(f"  ✗ {report.slug}: {failure}", style="red")


def _milliseconds(start: str, end: str | None) -> str:
    if end is None:
        return "-"
    passed = datetime.fromisoformat(end) - datetime.fromisoformat(start)
    return f"{passed.total_seconds() * 1000:.0f}"


def _onboarding(reports: list[TenantReport]) -> Table:
    table = Table(title="Onboarding, milliseconds per step", title_justify="left")
    table.add_column("tenant")
    steps: list[dict[str, Any]] = reports[0].onboarding["steps"]
    for step in steps:
        table.add_column(step["name"].replace("_", " "), justify="right")
    table.add_column("in all", justify="right", style="bold")
    for report in reports:
        cells = [_milliseconds(step["started_at"], step["finished_at"]) for step in report.onboarding["steps"]]
        table.add_row(report.slug, *cells, str(report.onboarding["duration_ms"]))
    return table


def _outcomes(reports: list[TenantReport]) -> Table:
    table = Table(title="Payments by outcome", title_justify="left")
    table.add_column("tenant")
    table.add_column("what it does")
    present = [status for status in _ORDER if any(report.outcomes.get(status) for report in reports)]
    for status in present:
        table.add_column(status.replace("_", " "), justify="right")
    for report in reports:
        table.add_row(report.slug, report.story, *(str(report.outcomes.get(status, 0)) for status in present))
    return table


def _checks(reports: list[TenantReport]) -> Table:
    table = Table(title="Checks", title_justify="left")
    for name in ("tenant", "requests", "per second", "repeated safely", "balances", "ledger", "audit log", "webhooks"):
        table.add_column(name, justify="left" if name == "tenant" else "right")
    for report in reports:
        ledger = report.ledger
        table.add_row(
            report.slug,
            str(report.requests),
            f"{report.requests / report.seconds:.0f}" if report.seconds else "-",
            str(report.repeated),
            f"{report.balances_checked} as expected" if not _names(report, "balance") else Text("differ", "red"),
            f"{ledger['entries']} entries consistent" if ledger["consistent"] else Text("inconsistent", "red"),
            f"{report.audit_entries} verified" if report.audit_problem is None else Text("not verified", "red"),
            f"{report.webhooks} genuine" if not _names(report, "webhook") else Text("see below", "red"),
        )
    return table


def _backtests(reports: list[TenantReport]) -> Table:
    table = Table(title="Backtest: other fraud rules on the same payments", title_justify="left")
    for name in ("tenant", "rules", "payments", "money saved", "money lost", "good payments blocked", "newly held"):
        table.add_column(name, justify="left" if name in ("tenant", "rules") else "right")
    for report in reports:
        for line in report.backtests:
            found = line.report
            table.add_row(
                line.slug,
                line.rules,
                str(found["payments"]),
                _sums(found["money_saved"]),
                _sums(found["money_lost"]),
                _sums(found["good_payments_blocked"] + found["unknown_payments_blocked"]),
                _sums(found["good_payments_held"]),
            )
    return table


def _sums(tallies: list[dict[str, Any]]) -> str:
    return "\n".join(
        f"{format_amount(each['amount']['amount_minor'], each['amount']['currency'])} in {each['count']}"
        for each in tallies
    )


def _names(report: TenantReport, word: str) -> bool:
    return any(word in failure for failure in report.failures)
