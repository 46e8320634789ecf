"""`bezant events tail`: watch events as they pass through the broker."""

import sys
from typing import Annotated
from uuid import uuid4

import msgspec
import typer
from confluent_kafka import Consumer

from bezant.cli.console import console, write_json
from bezant.cli.platform import DEFAULT_DATA_DIR, DataDir
from bezant.cli.session import AsJson
from bezant.contracts.events import AGGREGATE_TOPICS, BROADCAST_TOPICS, ReceivedEvent, decode_event
from bezant.foundation.events.kafka import kafka_configuration
from bezant.foundation.secrets import open_secret_store
from bezant.local.administration import settings_of

app = typer.Typer(help="Watch events.", no_args_is_help=True)


@app.callback()
def events() -> None:
    """Watch events."""


@app.command()
def tail(
    tenant_id: Annotated[str | None, typer.Option(help="Only this tenant's, by id.")] = None,
    kind: Annotated[str | None, typer.Option("--type", help="Only types that begin so, e.g. payment.")] = None,
    beginning: Annotated[bool, typer.Option("--beginning", help="Begin with what the broker still has.")] = False,
    count: Annotated[int | None, typer.Option(help="Stop after this many.")] = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    as_json: AsJson = False,
) -> None:
    """Print events until Ctrl-C."""
    import asyncio  # noqa: PLC0415

    settings = settings_of(data_dir)
    configuration = asyncio.run(kafka_configuration(settings, open_secret_store(settings)))
    consumer = Consumer(
        configuration
        | {
            "group.id": f"bezant-tail-{uuid4().hex[:8]}",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest" if beginning else "latest",
            "session.timeout.ms": 6000,
        }
    )
    consumer.subscribe([*AGGREGATE_TOPICS, *BROADCAST_TOPICS])
    shown = 0
    try:
        while count is None or shown < count:
            message = consumer.poll(0.5)
            if message is None or message.error() is not None:
                continue
            event = decode_event(message.topic() or "", message.value() or b"")
            wanted = tenant_id in (None, str(event.tenant_id)) and (kind is None or event.type.startswith(kind))
            if wanted:
                shown += 1
                _show(event, as_json=as_json)
    except KeyboardInterrupt:
        return
    finally:
        consumer.close()


def _show(event: ReceivedEvent, *, as_json: bool) -> None:
    if as_json:
        write_json(event.raw.decode())
        sys.stdout.flush()
        return
    data = msgspec.json.encode(event.data).decode()
    console.print(
        f"{event.time:%H:%M:%S.%f} {event.type:<28} {event.subject} {data}",
        highlight=False,
        soft_wrap=True,
    )
