"""Run one service in this process: `python -m bezant.cli.serve_process payment`.

What `bezant serve payment` does as well, without the libraries of the command line.
"""

import sys


def serve(service: str) -> None:
    """Run the service until SIGTERM. Imports nothing of the local platform."""
    from bezant.foundation.service import run  # noqa: PLC0415  the import is the service

    run(service)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m bezant.cli.serve_process SERVICE")
    serve(sys.argv[1])
