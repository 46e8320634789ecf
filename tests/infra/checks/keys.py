"""Keys and log groups of every stack."""

from collections.abc import Iterator

from bezant.topology.model.deployment import Topology

from .templates import Templates


def check_keys(templates: Templates, model: Topology) -> Iterator[str]:
    """Keys rotate and outlive their stack; log groups are encrypted and end."""
    for place, template in templates.items():
        for name, one in template["Resources"].items():
            if one["Type"] == "AWS::KMS::Key":
                if not one["Properties"].get("EnableKeyRotation"):
                    yield f"{place}: {name} does not rotate"
                if one.get("DeletionPolicy") != "Retain":
                    yield f"{place}: {name} goes with its stack, and with it what it encrypted"
            if one["Type"] == "AWS::Logs::LogGroup":
                properties = one["Properties"]
                if "KmsKeyId" not in properties or "RetentionInDays" not in properties:
                    yield f"{place}: {name} is not encrypted or never ends"
