"""`bezant webhooks`: endpoints, their deliveries, and a receiver for a tenant's own tests."""

import asyncio
import contextlib
import random
import time
from typing import Annotated, Any

import typer
from rich.live import Live
from rich.table import Table

from bezant.cli.console import console
from bezant.cli.platform import DEFAULT_DATA_DIR
from bezant.cli.session import AsJson, DataDir, Tenant, Url, connection, facts, rows, show, speak
from bezant.cli.webhook_chaos import Chaos
from bezant.cli.webhook_sandbox import Account, Sandbox
from bezant.client import BezantClient

app = typer.Typer(help="Webhook endpoints, and a receiver to test with.", no_args_is_help=True)
Endpoint = Annotated[str, typer.Argument(help="The endpoint's id.")]
Filters = Annotated[
    list[str] | None, typer.Option("--event", help="An event filter such as payment.*; repeatable. All if left out.")
]
_PATH = "/v1/webhook-endpoints"


@app.command("list")
def list_endpoints(
    tenant: Tenant = None, data_dir: DataDir = DEFAULT_DATA_DIR, url: Url = None, as_json: AsJson = False
) -> None:
    """List a tenant's endpoints."""

    async def work(client: BezantClient) -> list[Any]:
        return [endpoint async for endpoint in client.pages(_PATH)]

    show(
        speak(connection(data_dir, url, tenant, as_json=as_json), work),
        as_json=as_json,
        table=lambda found: rows(
            "Webhook endpoints",
            ["id", "url", "events", "status", "last number", "failing since"],
            [
                [e["id"], e["url"], ", ".join(e["event_filters"]), e["status"], e["last_sequence"], e["failing_since"]]
                for e in found
            ],
        ),
    )


@app.command()
def create(
    target: Annotated[str, typer.Argument(help="Where webhooks are sent.")],
    event: Filters = None,
    ed25519: Annotated[bool, typer.Option("--ed25519", help="Sign with v1a as well.")] = False,
    tenant: Tenant = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Make an endpoint and print its secret, once."""
    signatures = ["v1", "v1a"] if ed25519 else ["v1"]
    body = {"url": target, "event_filters": event or ["*"], "signatures": signatures}
    made = speak(connection(data_dir, url, tenant, as_json=as_json), lambda client: client.post(_PATH, body))
    shown = ("id", "secret", "public_key") if ed25519 else ("id", "secret")
    show(made, as_json=as_json, table=lambda found: facts(target, {name: found[name] for name in shown}))


@app.command()
def deliveries(
    endpoint: Endpoint,
    status: Annotated[str | None, typer.Option(help="pending, delivered, dead or cancelled.")] = None,
    limit: Annotated[int, typer.Option(help="How many to show.")] = 50,
    tenant: Tenant = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Show an endpoint's deliveries, newest first; `--status dead` shows the dead letters."""

    async def work(client: BezantClient) -> Any:
        return (await client.get(f"{_PATH}/{endpoint}/deliveries", status=status, limit=limit))["data"]

    show(
        speak(connection(data_dir, url, tenant, as_json=as_json), work),
        as_json=as_json,
        table=lambda found: rows(
            "Deliveries",
            ["number", "event", "about", "status", "attempts", "last answer", "next attempt"],
            [
                [d["sequence"], d["event_type"], d["subject"], d["status"], d["attempts"],
                 d["last_error"] or d["last_status_code"], d["next_attempt_at"]]
                for d in found
            ],
        ),
    )  # fmt: skip


@app.command()
def replay(
    endpoint: Endpoint,
    since: Annotated[int | None, typer.Option(help="From this sequence number on.")] = None,
    to: Annotated[int | None, typer.Option(help="With --since: up to this sequence number.")] = None,
    message: Annotated[list[str] | None, typer.Option(help="A message's id; repeatable.")] = None,
    dead: Annotated[bool, typer.Option("--dead", help="Only dead letters.")] = False,
    tenant: Tenant = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    url: Url = None,
) -> None:
    """Send messages again, with the ids and numbers that they had."""
    body: dict[str, Any] = {"status": "dead"} if dead else {}
    if message:
        body["message_ids"] = message
    elif since is not None:
        body |= {"since_sequence": since} if to is None else {"from_sequence": since, "to_sequence": to}
    elif not dead:
        raise typer.BadParameter("say which: --since, --message or --dead")

    async def work(client: BezantClient) -> int:
        total: int = 0
        wanted = body
        while True:
            answer = await client.post(f"{_PATH}/{endpoint}/replay", wanted)
            total += answer["replayed"]
            following: int | None = answer["next_sequence"]
            if following is None:
                return total
            wanted = {**body, "from_sequence": following, "to_sequence": to or 2**63 - 1}
            wanted.pop("since_sequence", None)

    console.print(f"{speak(connection(data_dir, url, tenant), work)} messages are sent again")


@app.command()
def listen(
    event: Filters = None,
    forward: Annotated[str | None, typer.Option(help="Your own handler, to which everything is handed on.")] = None,
    chaos: Annotated[bool, typer.Option("--chaos", help="Duplicate, reorder, delay and fail.")] = False,
    seed: Annotated[int | None, typer.Option(help="Of the chaos, to repeat a run.")] = None,
    count: Annotated[int | None, typer.Option(help="Stop after so many different messages.")] = None,
    seconds: Annotated[float, typer.Option(help="Stop after so long in any case.")] = 86_400.0,
    port: Annotated[int, typer.Option(help="Where to listen on loopback; 0 takes a free port.")] = 0,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the endpoint when done.")] = False,
    tenant: Tenant = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Receive a tenant's webhooks here until Ctrl-C, and say in the end whether one is missing.

    Exit code 0: none is. The platform must reach this machine's loopback: for a local platform.
    """
    dice = Chaos(random.randrange(2**32) if seed is None else seed) if chaos else None  # noqa: S311 - printed
    sandbox = Sandbox(port=port, forward=forward, chaos=dice)

    async def work(client: BezantClient) -> dict[str, Any]:
        async with sandbox:
            made = await client.post(
                _PATH, {"url": sandbox.url, "description": "bezant webhooks listen", "event_filters": event or ["*"]}
            )
            sandbox.secret = made["secret"]
            one = f"{_PATH}/{made['id']}"
            if not as_json:
                console.print(f"endpoint {made['id']} sends to {sandbox.url}" + (f", seed {dice.seed}" if dice else ""))
            try:
                with contextlib.suppress(asyncio.CancelledError, KeyboardInterrupt):
                    await _until_enough(sandbox, count, seconds, quiet=as_json)
                # What was enqueued and is on its way, or waits for its next attempt, is waited for in peace.
                last = await _caught_up(client, one, sandbox)
            finally:
                if not keep:
                    await client.delete(one)
        return _result(sandbox.account, last, dice)

    result = speak(connection(data_dir, url, tenant, as_json=as_json), work)
    show(result, as_json=as_json, table=_verdict)
    raise typer.Exit(0 if result["complete"] else 1)


async def _until_enough(sandbox: Sandbox, count: int | None, seconds: float, *, quiet: bool) -> None:
    deadline = time.monotonic() + seconds
    with Live(console=console, refresh_per_second=4, transient=True) if not quiet else contextlib.nullcontext() as live:
        while time.monotonic() < deadline and (count is None or len(sandbox.account.sequences) < count):
            sandbox.progress.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.25):
                    await sandbox.progress.wait()
            if live is not None:
                live.update(f"{len(sandbox.account.sequences)} messages in {sandbox.account.requests} requests")


async def _caught_up(client: BezantClient, one: str, sandbox: Sandbox, *, within_seconds: float = 60.0) -> int:
    """Wait until everything that was enqueued has come, and return the last number."""
    sandbox.calm_down()
    deadline = time.monotonic() + within_seconds
    while True:
        last: int = (await client.get(one))["last_sequence"]
        if not sandbox.account.missing(last) or time.monotonic() > deadline:
            return last
        await asyncio.sleep(0.1)


def _result(account: Account, last: int, dice: Chaos | None) -> dict[str, Any]:
    missing = account.missing(last)
    return {
        "complete": not missing and not account.forged,
        "messages": len(account.sequences),
        "last_sequence": last,
        "missing": missing,
        "requests": account.requests,
        "not_genuine": account.forged,
        "handed_on": account.handed_on,
        "handed_on_twice": account.doubled,
        "held_back": account.held,
        "overtaken": account.overtaken,
        "not_taken_by_handler": account.not_taken,
        "faults": {fault.value: number for fault, number in sorted(account.faults.items())},
        "seed": dice.seed if dice else None,
    }


def _verdict(result: dict[str, Any]) -> Table:
    missing = result["missing"]
    if missing:
        title = f"{len(missing)} of {result['last_sequence']} messages are missing, the first is {missing[0]}"
    elif result["not_genuine"]:
        title = f"{result['not_genuine']} requests were not genuine"
    else:
        title = f"No gap: every message from 1 to {result['last_sequence']} was taken"
    pairs = {name.replace("_", " "): value for name, value in result.items() if name not in ("complete", "faults")}
    return facts(title, pairs | {"missing": len(missing)} | {f"  {name}": n for name, n in result["faults"].items()})
