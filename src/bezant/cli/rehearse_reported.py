"""How a rehearsal's report leaves the command: a table on the terminal or JSON, the HTML page, and the exit code."""

import os
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.table import Table
from rich.text import Text

from bezant.cli.console import console, write_json
from bezant.cli.topology_model import write_text
from bezant.rehearsal.report import document as reports
from bezant.rehearsal.report.document import Report
from bezant.rehearsal.report.numbers import duration_text, number_text
from bezant.rehearsal.report.page import page


def _writable(report_file: Path | None) -> Path | None:
    """Refuse, before minutes are spent on a rehearsal, a page that could not be written after it."""
    if report_file is not None:
        if report_file.is_dir():
            raise typer.BadParameter(f"{report_file} is a directory")
        if not os.access(report_file if report_file.exists() else report_file.parent, os.W_OK):
            raise typer.BadParameter(f"{report_file} cannot be written")
    return report_file


AsJson = Annotated[bool, typer.Option("--json", help="Print the report as JSON.")]
ReportFile = Annotated[
    Path | None,
    typer.Option("--report", metavar="FILE.html", callback=_writable, help="Write the report as one HTML page."),
]


def finish(report: Report, *, as_json: bool, report_file: Path | None) -> NoReturn:
    """Show the report, write the page if one is wanted, and exit: 0 when every promise was kept, else 1."""
    if as_json:
        write_json(reports.to_json(report).decode())
    else:
        _print(report)
    if report_file is not None:
        write_text(page(report), report_file, quiet=as_json)
    raise typer.Exit(0 if report.kept else 1)


def _print(report: Report) -> None:
    console.print(Text.assemble((report.title, "bold"), f", {duration_text(report.duration_seconds)}"))
    for table in report.tables:
        _print_table(table.title, table.columns, table.rows)
    if report.figures:
        figures = [[one.name, f"{number_text(one.value)} {one.unit}".rstrip()] for one in report.figures]
        _print_table("Figures", ["what", "value"], figures)
    shown = Table(title="Promises", title_justify="left")
    for column in ("", "promise", "figure"):
        shown.add_column(column)
    for promise in report.promises:
        mark = Text("kept", "green") if promise.kept else Text("broken", "red")
        shown.add_row(mark, promise.text, promise.figure)
    console.print(shown)
    console.print("Every promise is kept." if report.kept else Text("Not every promise is kept.", "bold red"))


def _print_table(title: str, columns: list[str], rows: list[list[str]]) -> None:
    table = Table(title=title, title_justify="left")
    for column in columns:
        table.add_column(column)
    for row in rows:
        table.add_row(*row)
    console.print(table)
