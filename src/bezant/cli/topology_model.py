"""Which topology a command speaks of: a model of the package or a file."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from bezant.cli.console import console, errors, write_json
from bezant.topology.errors import TopologyError, TopologyInvalid, UnknownTopology
from bezant.topology.loading import MODELS, load_model, parse_topology
from bezant.topology.model.deployment import Topology

Model = Annotated[
    str, typer.Option("--model", "-m", metavar="NAME|FILE", help=f"{' or '.join(MODELS)}, or a YAML file.")
]


def load(model: str) -> Topology:
    """Return the named model, or the one in that file. Raises `TopologyInvalid` and `UnknownTopology`."""
    if model in MODELS:
        return load_model(model)
    path = Path(model)
    try:
        return parse_topology(path.read_text("utf-8"), source=model)
    except UnicodeDecodeError as error:
        raise UnknownTopology(f"{model} is not text in UTF-8") from error
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise UnknownTopology(f"{model!r} is no model ({', '.join(MODELS)}) and cannot be read: {reason}") from error


@contextmanager
def reported_topology(*, as_json: bool = False) -> Iterator[None]:
    """Turn an error of the topology into one message, or into JSON, and exit code 2."""
    try:
        yield
    except TopologyError as error:
        if as_json:
            document: dict[str, object] = {"error": error.code, "message": str(error)}
            if isinstance(error, TopologyInvalid):
                document["violations"] = [
                    {"rule": one.rule, "place": one.place, "detail": one.detail} for one in error.violations
                ]
            write_json(json.dumps(document, indent=2, ensure_ascii=False))
        else:
            errors.print(f"bezant: {error}", style="red", highlight=False, soft_wrap=True)
        raise typer.Exit(2) from error


def write_text(text: str, output: Path, *, quiet: bool = False) -> None:
    """Write a file and say so; exit code 2 with a message if it cannot be written."""
    try:
        output.write_text(text, "utf-8")
    except OSError as error:
        errors.print(f"bezant: {output} cannot be written: {error.strerror}", style="red", soft_wrap=True)
        raise typer.Exit(2) from error
    if not quiet:
        console.print(f"wrote {output}", highlight=False, soft_wrap=True)
