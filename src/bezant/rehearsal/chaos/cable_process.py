"""A service behind a cable that can be pulled: `python -m bezant.rehearsal.chaos.cable_process 18005,18002 payment`.

The service runs in a network namespace of its own. Everything that it hears and says goes through this process: calls
to its port, and its calls to the ports that are named. SIGUSR1 pulls the cable: every packet is lost, both ways, and
nobody is told. SIGUSR2 plugs it in again. SIGTERM is passed on, and this process ends as the service does.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Iterable

from bezant.local.child import die_with
from bezant.local.ports import HOST, VALKEY_NODES, Ports
from bezant.rehearsal.chaos.own_network import OwnNetwork
from bezant.rehearsal.chaos.tcp_proxy import Mode, TcpProxy

PULL = signal.SIGUSR1
PLUG_IN = signal.SIGUSR2


def command(ports: Ports) -> tuple[str, ...]:
    """Return what runs a service of such a platform behind a cable; the service's name is to follow."""
    called = [
        ports.postgres,
        ports.postgres_control,
        ports.broker,
        ports.internal_gateway,
        *(ports.valkey(n) for n in range(VALKEY_NODES)),
    ]
    return (sys.executable, "-m", __name__, ",".join(map(str, called)))


async def _serve(service: str, called: Iterable[int]) -> int:
    loop = asyncio.get_running_loop()
    own = int(os.environ["BEZANT_PORT"])
    with OwnNetwork() as network:
        cable = [TcpProxy(HOST, port, own_port=port, make_listener=network.socket) for port in called]
        cable.append(TcpProxy(HOST, own, own_port=own, make_caller=network.socket))
        for lead in cable:
            await lead.open()
        dies_with_us = die_with(os.getpid(), signal.SIGKILL)

        def before_it_runs() -> None:
            network.enter()
            dies_with_us()

        running = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bezant.cli.serve_process", service, preexec_fn=before_it_runs
        )
        switching: set[asyncio.Task[None]] = set()

        def switch(mode: Mode) -> None:
            for lead in cable:
                task = asyncio.create_task(lead.switch(mode))
                switching.add(task)
                task.add_done_callback(switching.discard)

        loop.add_signal_handler(PULL, switch, Mode.DROP)
        loop.add_signal_handler(PLUG_IN, switch, Mode.PASS)
        loop.add_signal_handler(signal.SIGTERM, running.terminate)
        code = await running.wait()
        for lead in cable:
            await lead.close()
        return code


def _main() -> int:
    code = asyncio.run(_serve(sys.argv[2], [int(port) for port in sys.argv[1].split(",")]))
    # as a shell says that a program was ended by a signal
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(_main())
