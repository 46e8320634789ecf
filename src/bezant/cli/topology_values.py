"""`bezant topology values`: write charts' values from the model, or say where the files differ from it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from bezant.cli.console import console, errors
from bezant.cli.topology_model import Model, load, reported_topology
from bezant.local.gateway import INTERNAL_ROUTES, PUBLIC_ROUTES
from bezant.topology.platform_values import platform_values
from bezant.topology.values import chart_values
from bezant.topology.yaml_text import write_yaml

DIRECTORY = Path("charts/bezant/values")
PLATFORM = Path("gitops/platform")
_HEADER = """\
# Written by `bezant topology values` from the topology model {model}; change the model, not this file.
"""


def values(
    model: Model = "production",
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="The directory of the files.", show_default=f"{DIRECTORY} or {PLATFORM}"),
    ] = None,
    platform: Annotated[
        bool, typer.Option("--platform", help="The values of what the clusters run besides Bezant: Istio, Argo, ...")
    ] = False,
    check: Annotated[bool, typer.Option("--check", help="Write nothing; exit code 1 if a file differs.")] = False,
) -> None:
    """Write the chart's values: one file for each region, one for each service in it."""
    output = output or (PLATFORM if platform else DIRECTORY)
    with reported_topology():
        files = platform_files(model) if platform else values_files(model)
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
    return _written(model, documents)


def platform_files(model: str) -> dict[str, str]:
    """Return the text of every values file of the platform's components by its path. Raises `TopologyError`."""
    return _written(model, platform_values(load(model)))


def _written(model: str, documents: Mapping[str, Any]) -> dict[str, str]:
    header = _HEADER.format(model=model)
    return {path: header + write_yaml(document) for path, document in documents.items()}


def _text(path: Path) -> str | None:
    return path.read_text("utf-8") if path.is_file() else None


def _present(directory: Path) -> list[str]:
    return sorted(path.relative_to(directory).as_posix() for path in directory.rglob("*.yaml"))
