"""`bezant rehearse rolling`: a rolling update of one service under load, drawn while it runs."""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from bezant.cli.rehearse_reported import AsJson, ReportFile, finish
from bezant.cli.rehearse_watched import watched
from bezant.contracts.fleet import SERVICES
from bezant.rehearsal.rolling import Plan, rehearse

Reference = Annotated[
    str, typer.Option("--to", help="The version to roll out: a git reference, a wheel, or `current` relabelled")
]
KeptIn = Annotated[
    Path | None, typer.Option("--data-dir", help="Keep the platform's data and logs here; deleted without it")
]


def rolling(
    service: Annotated[str, typer.Argument(help="The service to update")] = "payment",
    reference: Reference = "current",
    replicas: Annotated[int, typer.Option(min=1, max=20)] = 6,
    max_surge: Annotated[int, typer.Option(min=1, max=10, help="How many above the replicas at once")] = 1,
    requests: Annotated[int, typer.Option(min=100, max=1_000_000, help="Send at least so many")] = 20_000,
    rate: Annotated[float, typer.Option(min=1, max=2000, help="Requests a second")] = 250,
    data_dir: KeptIn = None,
    as_json: AsJson = False,
    report_file: ReportFile = None,
) -> None:
    """Replace every replica of a service by another version while load runs. Exit 1 when a promise is broken."""
    if service not in SERVICES:
        raise typer.BadParameter(f"there is no service {service!r}; the services are {', '.join(SERVICES)}")
    plan = Plan(
        service=service,
        reference=reference,
        replicas=replicas,
        max_surge=max_surge,
        requests=requests,
        requests_per_second=rate,
        data_dir=None if data_dir is None else data_dir.absolute(),
    )
    report = watched(service, partial(rehearse, plan), as_json=as_json)
    finish(report, as_json=as_json, report_file=report_file)
