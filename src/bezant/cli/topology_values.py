"""`bezant topology values`: write the chart's values from the model, or say where the files differ from it."""

from pathlib import Path
from typing import Annotated

import typer

from bezant.cli.console import console, errors
from bezant.cli.topology_model import Model, load, reported_topology
from bezant.local.gateway import INTERNAL_ROUTES, PUBLIC_ROUTES
from bezant.topology.values import chart_values
from bezant.topology.yaml_text import write_yaml

DIRECTORY = Path("charts/bezant/values")
_HEADER = """\
# Written by `bezant topology values` from the topology model {model}; change the model, not this file.
"""


def values(
    model: Model = "production",
    output: Annotated[Path, typer.Option("--output", "-o", help="The directory of the files.")] = DIRECTORY,
    check: Annotated[bool, typer.Option("--check", help="Write nothing; exit code 1 if a file differs.")] = False,
) -> None:
    """Write the chart's values: one file for each region, one for each service in it."""
    with reported_topology():
        files = values_files(model)
    differing = [path for path, text in files.items() if _text(output / path) != text]
    left_over = [path for path in _present(output) if path not in files]
    if check:
        for path in differing:
            errors.print(f"{output / path} differs from the model {model}", soft_wrap=True)
        for path in left_over:
            errors.print(f"{output / path} belongs to nothing in the model {model}", soft_wrap=True)
        if differing or left_over:
            errors.print("run `bezant topology values` and commit what it writes")
            raise typer.Exit(1)
        console.print(f"{len(files)} values files agree with the model {model}", highlight=False)
        return
    for path in left_over:
        (output / path).unlink()
    for path in differing:
        (output / path).parent.mkdir(parents=True, exist_ok=True)
        (output / path).write_text(files[path], "utf-8")
    console.print(f"{len(differing)} of {len(files)} values files written", highlight=False)


def values_files(model: str) -> dict[str, str]:
    """Return the text of every values file by its path below the directory. Raises `TopologyError`."""
    documents = chart_values(load(model), public_routes=PUBLIC_ROUTES, internal_routes=INTERNAL_ROUTES)
    header = _HEADER.format(model=model)
    return {path: header + write_yaml(document) for path, document in documents.items()}


def _text(path: Path) -> str | None:
    return path.read_text("utf-8") if path.is_file() else None


def _present(directory: Path) -> list[str]:
    return sorted(path.relative_to(directory).as_posix() for path in directory.rglob("*.yaml"))
