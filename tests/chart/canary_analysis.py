"""What a rehearsed canary is judged by: the metrics of the chart's AnalysisTemplates, as `helm template` prints them.

`python -m tests.chart.canary_analysis` writes them where `bezant rehearse canary` reads them; a test compares.
"""

from pathlib import Path

import yaml

from .rendering import ROOT, Manifests

WRITTEN: Path = ROOT / "src" / "bezant" / "rehearsal" / "canary" / "analysis.yaml"
_HEAD = "# Made from the chart by `make canary-analysis`. What ends a canary, and what it needs to be judged.\n"


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as blocks, so that the queries can be read."""


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


_Dumper.add_representer(str, _text)


def text() -> str:
    """Return the file's text."""
    manifests = Manifests.of("us-east-1 active")
    services = {
        one["metadata"]["name"].removesuffix("-canary"): None
        for one in manifests.kind("AnalysisTemplate")
        if one["metadata"]["name"].endswith("-canary")
    }
    document = {
        service: {
            part: manifests.get("AnalysisTemplate", f"{service}-{part}")["spec"]["metrics"]
            for part in ("canary", "samples")
        }
        for service in services
    }
    return _HEAD + yaml.dump(document, Dumper=_Dumper, width=120)


if __name__ == "__main__":
    WRITTEN.write_text(text(), "utf-8")
