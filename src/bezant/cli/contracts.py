"""`bezant contracts`: the OpenAPI and AsyncAPI documents and the typed client, made from the code."""

import json
from pathlib import Path
from typing import Annotated

import msgspec
import typer

import bezant.contracts
from bezant.cli.client_code import client_code
from bezant.cli.contract_documents import asyncapi_document, openapi_documents

app = typer.Typer(help="The OpenAPI and AsyncAPI documents.", no_args_is_help=True)
_PACKAGED = Path(bezant.contracts.__file__).parent
_CLIENT = _PACKAGED.parent / "client" / "generated"


@app.callback()
def contracts() -> None:
    """The OpenAPI and AsyncAPI documents."""


@app.command()
def write(directory: Annotated[Path, typer.Option(help="Where to write them.")] = _PACKAGED) -> None:
    """Write `openapi.json` (merged), one for each service below `openapi/`, `asyncapi.json`, and the typed client."""
    documents = rendered()
    files = {directory / name: text for name, text in documents.items()}
    if directory == _PACKAGED:
        files |= {_CLIENT / name: text for name, text in client_code(json.loads(documents["openapi.json"])).items()}
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        typer.echo(path)


def rendered() -> dict[str, str]:
    """Return the text of each document by its file name."""
    merged, each = openapi_documents()
    documents = {"openapi.json": merged, "asyncapi.json": asyncapi_document()}
    documents |= {f"openapi/{service}.json": document for service, document in each.items()}
    return {
        name: msgspec.json.format(msgspec.json.encode(document, order="sorted"), indent=1).decode() + "\n"
        for name, document in documents.items()
    }
