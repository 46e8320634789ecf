"""`bezant contracts`: the documents of API, events and internal calls, and the typed client, made from the code."""

import json
from pathlib import Path
from typing import Annotated

import msgspec
import typer

import bezant
import bezant.contracts
from bezant.cli.client_code import client_code
from bezant.cli.contract_documents import asyncapi_document, internal_document, openapi_documents
from bezant.contracts.compatibility import breaking_api_changes, breaking_event_changes, breaking_internal_changes

app = typer.Typer(help="The OpenAPI and AsyncAPI documents.", no_args_is_help=True)
_PACKAGED = Path(bezant.contracts.__file__).parent
_RELEASED = _PACKAGED / "released"
_DOCUMENTS = ("openapi.json", "asyncapi.json", "internal.json")
_MAJOR_AND_MINOR = 2
_CLIENT = _PACKAGED.parent / "client" / "generated"


@app.callback()
def contracts() -> None:
    """The OpenAPI and AsyncAPI documents."""


@app.command()
def write(directory: Annotated[Path, typer.Option(help="Where to write them.")] = _PACKAGED) -> None:
    """Write `openapi.json` (merged and by service), `asyncapi.json`, `internal.json`, and the typed client."""
    documents = rendered()
    files = {directory / name: text for name, text in documents.items()}
    if directory == _PACKAGED:
        files |= {_CLIENT / name: text for name, text in client_code(json.loads(documents["openapi.json"])).items()}
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        typer.echo(path)


@app.command()
def compare(
    earlier: Annotated[Path, typer.Argument(help="A directory with the earlier documents.")],
    later: Annotated[Path, typer.Argument(help="A directory with the later ones.")] = _PACKAGED,
) -> None:
    """List what clients and consumers of the earlier documents would notice; exit 1 if anything."""
    found = changes_since(earlier, later)
    for change in found:
        typer.echo(change)
    raise typer.Exit(1 if found else 0)


@app.command()
def release() -> None:
    """Keep the documents as those of this version; refused when they break the promises of the last release."""
    last = last_release()
    found = changes_since(last, _PACKAGED) if last is not None else []
    target = _RELEASED / bezant.__version__
    if (
        last is not None
        and found
        and last.name.split(".")[:_MAJOR_AND_MINOR] == target.name.split(".")[:_MAJOR_AND_MINOR]
    ):
        for change in found:
            typer.echo(change, err=True)
        typer.echo(f"These break what {last.name} promised: take them back, or raise the version.", err=True)
        raise typer.Exit(1)
    target.mkdir(parents=True, exist_ok=True)
    for name in _DOCUMENTS:
        (target / name).write_text((_PACKAGED / name).read_text())
    typer.echo(target)


def last_release() -> Path | None:
    """Return the directory of the latest released documents."""
    released = [path for path in _RELEASED.iterdir() if path.is_dir()] if _RELEASED.exists() else []
    return max(released, key=lambda path: [int(part) for part in path.name.split(".")], default=None)


def changes_since(earlier: Path, later: Path = _PACKAGED) -> list[str]:
    """Return what breaks between two directories with documents."""
    api, events, internal = (
        [json.loads((directory / name).read_text()) for directory in (earlier, later)] for name in _DOCUMENTS
    )
    return [*breaking_api_changes(*api), *breaking_event_changes(*events), *breaking_internal_changes(*internal)]


def rendered() -> dict[str, str]:
    """Return the text of each document by its file name."""
    merged, each = openapi_documents()
    documents = {"openapi.json": merged, "asyncapi.json": asyncapi_document(), "internal.json": internal_document()}
    documents |= {f"openapi/{service}.json": document for service, document in each.items()}
    return {
        name: msgspec.json.format(msgspec.json.encode(document, order="sorted"), indent=1).decode() + "\n"
        for name, document in documents.items()
    }
