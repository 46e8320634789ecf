"""`bezant audit`: verify a tenant's audit log as an outsider would."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress

from bezant.cli.console import console, errors
from bezant.cli.platform import DEFAULT_DATA_DIR
from bezant.cli.session import DEFAULT_URL, AsJson, DataDir, Tenant, Url, facts, key_of, show
from bezant.services.audit.domain.verification import VerificationFailed
from bezant.services.audit.outside_verification import VerifiedLog, verify_log

app = typer.Typer(help="Verify audit logs.", no_args_is_help=True)


@app.callback()
def audit() -> None:
    """Verify audit logs."""


@app.command()
def verify(
    head_file: Annotated[
        Path | None,
        typer.Option("--head", help="A head kept from earlier: the log must extend it; renewed afterwards."),
    ] = None,
    tenant: Tenant = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    url: Url = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Fetch the whole log, recompute its tree and check the signed head. Exit code 1 names the first difference."""
    api_key = key_of(data_dir, tenant)
    with Progress(console=console, transient=True, disable=as_json or not console.is_terminal) as bars:
        bar = bars.add_task("verifying")

        def advance(done: int, of: int) -> None:
            bars.update(bar, completed=done, total=of)

        try:
            log = asyncio.run(verify_log(url, api_key, head_file=head_file, on_progress=advance))
        except VerificationFailed as failed:
            errors.print(f"bezant: the audit log does not verify: {failed.reason}", style="red", markup=False)
            raise typer.Exit(1) from failed
    show(_document(log), as_json=as_json, table=lambda found: facts("The audit log verifies", found))


def _document(log: VerifiedLog) -> dict[str, str | int | None]:
    return {
        "tenant": str(log.tenant_id),
        "entries": log.size,
        "root": log.root,
        "signed at": log.signed_at,
        "personal values disclosed": log.disclosed_values,
        "personal values erased": log.erased_values,
        "extends the kept head of size": log.kept_head_size,
    }
