"""The document of all rules, written from the rules themselves."""

from bezant.topology.assumptions import Assumptions
from bezant.topology.rules.registry import ALL_RULES
from bezant.topology.structure import REFUSALS

_HEAD = """# The rules of the deployment

Written by `bezant topology rules --markdown > docs/topology/rules.md`; a test keeps it so. `bezant topology check` runs
them; [the topology](../topology.md) explains the model. An error breaks the deployment or its promises, a warning will.
"""


def rules_document() -> str:
    """Return the document as Markdown."""
    parts = [_HEAD, "## Rules\n"]
    for rule in ALL_RULES.values():
        source = f"<{rule.source}>" if rule.source.startswith("https://") else rule.source
        parts.append(f"### {rule.name}\n\n{rule.severity.capitalize()}. {rule.title}. {rule.reason}\n")
        parts.append(f"Source: {source}\n")
        if rule.stated is not None:
            parts.append("Takes the model's word for what nothing here measures; `bezant topology check` says which.\n")
        if rule.assumes:
            parts.append("Assumes: " + ", ".join(f"`{name}`" for name in rule.assumes) + "\n")
    parts.append("## Refused when a file is read\n\n| rule | because |\n|---|---|")
    parts += [f"| `{name}` | {reason} |" for name, reason in REFUSALS.items()]
    parts.append("\n## Assumptions\n\nChanged with `--assume NAME=VALUE`.\n")
    parts.append("| assumption | value | reason |\n|---|---|---|")
    for name, field in Assumptions.model_fields.items():
        parts.append(f"| `{name}` | {field.default} | {field.description} |")
    return "\n".join(parts) + "\n"
