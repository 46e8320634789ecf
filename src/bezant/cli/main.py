"""The `bezant` command: puts the groups of commands together."""

import importlib
from collections.abc import Mapping
from typing import Any, Final

import typer
from typer.core import TyperGroup

from bezant.cli import platform
from bezant.cli.visible import visible

GROUPS: Final[Mapping[str, str]] = {
    "tenant": "bezant.cli.tenant",
    "account": "bezant.cli.account",
    "pay": "bezant.cli.pay",
    "events": "bezant.cli.events",
    "webhooks": "bezant.cli.webhooks",
    "fraud": "bezant.cli.fraud",
    "audit": "bezant.cli.audit",
    "key": "bezant.cli.keys",
    "operator": "bezant.cli.operator",
    "approvals": "bezant.cli.approvals",
    "admin": "bezant.cli.admin",
    "contracts": "bezant.cli.contracts",
    "topology": "bezant.cli.topology",
    "cost": "bezant.cli.cost",
    "rehearse": "bezant.cli.rehearse",
    "bench": "bezant.cli.bench",
    "demo": "bezant.cli.demo.command",
}
"""Groups of commands by name: each is the `app` of its module, which is imported when the group is used."""


class _Groups(TyperGroup):
    """Imports a group of commands on its first use: `bezant status` must not wait for a database's libraries.

    Contexts and commands are `Any` because Typer's releases differ in whose click they are made of.
    """

    def list_commands(self, ctx: Any) -> list[str]:
        return [*super().list_commands(ctx), *GROUPS]

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except Exception as error:
            # an error about an option is printed by Typer: what it quotes is data too
            if isinstance(message := getattr(error, "message", None), str):
                error.message = visible(message, keep="\n")  # type: ignore[attr-defined]
            raise

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in GROUPS:
            return super().get_command(ctx, cmd_name)
        command = typer.main.get_command(importlib.import_module(GROUPS[cmd_name]).app)
        command.name = cmd_name
        return command


app = typer.Typer(
    name="bezant",
    cls=_Groups,
    help="Bezant, a multi-tenant payments platform.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
)
# the platform's commands stand at the top: `bezant up`, not `bezant platform up`
app.add_typer(platform.app)


if __name__ == "__main__":
    app()
