"""`bezant audit`: verify a tenant's audit log as an outsider would, export it, fetch receipts, be a witness."""

import asyncio
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from bezant.cli.audit_witness import WitnessReport, cosign_head
from bezant.cli.console import errors
from bezant.cli.platform import DEFAULT_DATA_DIR
from bezant.cli.session import (
    AsJson,
    Connection,
    DataDir,
    Tenant,
    Url,
    attend,
    connection,
    facts,
    gateway_of,
    key_of,
    show,
    speak,
)
from bezant.client import ApiProblem, BezantClient
from bezant.services.audit.outside_verification import ExportRefused, download_export
from bezant.verifier import audit_log
from bezant.verifier.audit_log import VerificationFailed

app = typer.Typer(help="Verify, export and witness audit logs.", no_args_is_help=True)
HeadFile = Annotated[
    Path | None, typer.Option("--head", help="A head kept from earlier: the log must extend it; renewed afterwards.")
]
PublicKey = Annotated[str | None, typer.Option("--public-key", help="The key that has to have signed.")]
Witnesses = Annotated[list[str] | None, typer.Option("--witness", help="A witness's key; repeatable.")]
_LOG_FOLLOWS_WITHIN_SECONDS = 10
VERIFIER = Path(audit_log.__file__)
"""The verifier is one file that imports nothing of Bezant, and it is run as that."""


@app.callback()
def audit() -> None:
    """Verify, export and witness audit logs."""


@app.command()
def verify(
    head_file: HeadFile = None,
    file: Annotated[Path | None, typer.Option("--file", help="An export to verify, instead of a fresh one.")] = None,
    public_key: PublicKey = None,
    witnesses: Witnesses = None,
    tenant: Tenant = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Export the log and give it to the stand-alone verifier. Exit code 1 names the first difference."""
    with tempfile.TemporaryDirectory(prefix="bezant-audit-") as directory:
        if file is None:
            file = Path(directory) / "log.jsonl"
            _download(connection(data_dir, url, tenant, as_json=as_json), file)
        options = [*_option("--head", head_file), *_option("--public-key", public_key)]
        _verifier("export", file, [*options, *_witness_options(witnesses)], as_json=as_json)


@app.command()
def export(
    file: Annotated[Path, typer.Argument(help="Where to write it; JSON Lines.")],
    start: Annotated[int, typer.Option("--from", help="The first entry, for example the size of a kept head.")] = 0,
    disclose: Annotated[bool, typer.Option(help="With personal values, as far as they are held.")] = True,
    tenant: Tenant = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    url: Url = None,
) -> None:
    """Write the log into a file that `bezant audit verify --file` and the stand-alone verifier read."""
    digest = _download(connection(data_dir, url, tenant), file, start=start, disclose=disclose)
    typer.echo(f"{digest}  {file}")


@app.command()
def receipt(
    payment_id: Annotated[str, typer.Argument(help="The payment's id.")],
    file: Annotated[Path | None, typer.Option("--file", help="Where to write it; verified only, if left out.")] = None,
    disclose: Annotated[bool, typer.Option(help="With personal values, as far as they are held.")] = False,
    public_key: PublicKey = None,
    witnesses: Witnesses = None,
    tenant: Tenant = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Fetch a payment's receipt and verify it with the stand-alone verifier."""

    async def work(client: BezantClient) -> Any:
        give_up_at = time.monotonic() + _LOG_FOLLOWS_WITHIN_SECONDS
        while True:
            try:
                return await client.payments.get_receipt(payment_id, disclose=disclose)
            except ApiProblem as problem:
                if problem.code != "audit_receipt_not_found" or time.monotonic() > give_up_at:
                    raise
                # A payment that exists is in the log soon; one that does not is refused here.
                await client.payments.get(payment_id)
            await asyncio.sleep(0.2)

    document = speak(connection(data_dir, url, tenant, as_json=as_json), work)
    with tempfile.TemporaryDirectory(prefix="bezant-audit-") as directory:
        file = file or Path(directory) / "receipt.json"
        file.write_bytes(msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n")
        options = [*_option("--public-key", public_key), *_witness_options(witnesses)]
        _verifier("receipt", file, options, as_json=as_json)


@app.command()
def verifier(file: Annotated[Path, typer.Argument(help="Where to write it.")]) -> None:
    """Write the stand-alone verifier: one file for people who have Python and no Bezant."""
    file.write_bytes(VERIFIER.read_bytes())
    typer.echo(f"python {file} --help")


@app.command()
def witness(
    state: Annotated[Path, typer.Option("--state", help="The witness's own directory: its key, the heads it saw.")],
    name: Annotated[str, typer.Option("--name", help="The witness's name; used when the key is made.")] = "witness",
    show_key: Annotated[bool, typer.Option("--show-key", help="Only print the verifier key.")] = False,
    tenant: Tenant = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Co-sign the log's head if it extends the one co-signed last. Exit code 1 when it does not.

    Run it from a machine of your own, with a schedule of your own.
    """
    to = Connection(gateway_of(data_dir, url), None if show_key else key_of(data_dir, tenant), as_json)
    try:
        report = attend(to, lambda: cosign_head(to.url, to.api_key, state, name))
    except VerificationFailed as failed:
        errors.print(f"bezant: the head is not co-signed: {failed.reason}", style="red", soft_wrap=True)
        raise typer.Exit(1) from failed
    if show_key:
        typer.echo(report.witness)
        return
    show(report, as_json=as_json, table=lambda found: facts("Co-signed", _witnessed(found)))


def _witnessed(report: WitnessReport) -> dict[str, Any]:
    return {
        "log": report.log,
        "entries": report.size,
        "extends the head of": report.extends_size,
        "witness": report.witness,
    }


def _option(name: str, value: object | None) -> list[str]:
    return [] if value is None else [name, str(value)]


def _witness_options(witnesses: list[str] | None) -> list[str]:
    return [word for each in witnesses or [] for word in ("--witness", each)]


def _download(to: Connection, file: Path, *, start: int = 0, disclose: bool = True) -> str:
    with file.open("wb") as target:
        try:
            return attend(to, lambda: download_export(to.url, to.api_key or "", target, start=start, disclose=disclose))
        except ExportRefused as refused:
            to.fail("export_refused", f"the log was not exported: {refused}", 1)


def _verifier(command: str, file: Path, options: list[str], *, as_json: bool) -> None:
    # -I: nothing of this environment, so that the verifier proves that it needs none of it
    words = [sys.executable, "-I", str(VERIFIER), command, str(file), *options, *(["--json"] if as_json else [])]
    done = subprocess.run(words, check=False)  # noqa: S603 - our own file, and paths that the caller gave
    if done.returncode:
        raise typer.Exit(done.returncode)
