"""`bezant demo`: the whole platform, three tenants, about two thousand payments, and a report that is checked."""

import asyncio
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from bezant.cli.console import console, reported
from bezant.cli.demo.check import TenantReport, check_tenant
from bezant.cli.demo.play import Played, Player, onboard
from bezant.cli.demo.receiver import Receiver
from bezant.cli.demo.report import show_failures, show_report
from bezant.cli.demo.scenario import TenantScenario, load_scenario
from bezant.cli.keyring import Keyring
from bezant.cli.platform import DEFAULT_DATA_DIR, DataDir
from bezant.cli.progress import progress
from bezant.client import BezantClient
from bezant.local.administration import make_admin_key, settings_of
from bezant.local.data_directory import DataDirectory
from bezant.local.options import DEFAULT_PORT_BASE, PATIENT, PlatformOptions
from bezant.local.platform import LocalPlatform
from bezant.services.audit.outside_verification import verify_log
from bezant.verifier.audit_log import VerificationFailed

app = typer.Typer()


@app.command("demo")
def demo(
    data_dir: DataDir = DEFAULT_DATA_DIR,
    port: Annotated[int, typer.Option(help="The gateway's port.")] = 8080,
    port_base: Annotated[int | None, typer.Option(help="The first of the ports of the other parts.")] = None,
    check: Annotated[bool, typer.Option("--check", help="Stop after the report; exit 1 if it is not right.")] = False,
) -> None:
    """Start everything, onboard three tenants, move money through every flow, and check what came of it.

    On a terminal it stays up until Ctrl-C; without one, or with --check, it stops and exits 0 or 1.
    """
    with reported():
        directory = DataDirectory(data_dir.expanduser().absolute())
        options = PlatformOptions(
            data_dir=str(directory.root),
            gateway_port=port,
            port_base=port_base or directory.port_base() or DEFAULT_PORT_BASE,
            # what is expected of the demo is about the rules
            environment=dict(PATIENT),
        )
        platform = LocalPlatform(options)
        with progress(console) as shown:
            platform.start(on_change=shown.show)
        try:
            reports = asyncio.run(_play_all(platform.url, directory.root))
            show_report(console, reports)
            right = not any(report.failures for report in reports)
            _say_where(platform.url, directory.root)
            if sys.stdin.isatty() and not check:
                _wait_for_ctrl_c()
        finally:
            with progress(console, stopping=True) as shown:
                platform.stop(on_change=shown.show)
    if right:
        console.print("Everything is as expected.", style="bold")
    else:
        # Last, and once more: whoever sees only the end of a log reads here what is wrong.
        console.print("The report is not as expected:", style="bold")
        show_failures(console, reports)
    raise typer.Exit(0 if right else 1)


async def _play_all(url: str, data_dir: Path) -> list[TenantReport]:
    scenario = load_scenario()
    keyring = Keyring(data_dir)
    admin_key = keyring.get("admin")
    if admin_key is None:
        admin_key = await make_admin_key(settings_of(data_dir), "bezant demo")
        keyring.put("admin", admin_key)
    with Progress(
        TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
        console=console, transient=not console.is_terminal, disable=not console.is_terminal,
    ) as bars:  # fmt: skip
        async with BezantClient(url, admin_key) as admin, Receiver() as receiver:
            # One after another, so that each timeline shows one onboarding and not three that share two cores.
            registered = [await onboard(admin, tenant, keyring.put) for tenant in scenario.tenants]
            return await asyncio.gather(
                *(
                    _play_one(url=url, keyring=keyring, tenant=tenant, registered=done, receiver=receiver, bars=bars)
                    for tenant, done in zip(scenario.tenants, registered, strict=True)
                )
            )


async def _play_one(
    *,
    url: str,
    keyring: Keyring,
    tenant: TenantScenario,
    registered: dict[str, object],
    receiver: Receiver,
    bars: Progress,
) -> TenantReport:
    api_key = keyring.get(tenant.slug)
    if api_key is None:
        raise typer.BadParameter(
            f"the key of the tenant {tenant.slug} is not in the keyring of this data directory; choose another "
            "--data-dir, or make a key with `bezant tenant create-key`"
        )
    bar = bars.add_task(tenant.slug, total=_requests(tenant))

    def advance(phase: str, requests: int) -> None:
        bars.update(bar, advance=requests, description=f"{tenant.slug}: {phase}")

    async with BezantClient(url, api_key) as client:
        await receiver.subscribe(client, tenant.slug)
        played = Played(str(registered["id"]), tenant.slug, registered["onboarding"])  # type: ignore[arg-type]
        await Player(client, tenant, played, advance).play()

        async def verify(_: BezantClient) -> tuple[int, str | None]:
            try:
                return (await verify_log(url, api_key)).size, None
            except VerificationFailed as failed:
                return 0, failed.reason

        return await check_tenant(client, tenant, played, receiver, verify)


def _requests(tenant: TenantScenario) -> int:
    return len(tenant.accounts) + sum(
        sum(row.sent for row in phase.payments) + len(phase.actions) for phase in tenant.phases
    )


def _say_where(url: str, data_dir: Path) -> None:
    console.print(f"\n  API        {url}/v1", highlight=False)
    console.print(f"  API docs   {url}/docs", highlight=False)
    console.print(f"  keys       {data_dir / 'keyring.json'} (admin and each tenant)", highlight=False)
    console.print(f"  processes  bezant status --data-dir {data_dir}", highlight=False)


def _wait_for_ctrl_c() -> None:
    console.print("\nThe platform stays up. Stop it with Ctrl-C.")
    signal.sigwait({signal.SIGINT, signal.SIGTERM})
