"""What ships logs and traces can read its configuration.

The OpenTelemetry collector itself reads its file, built from Go modules by `make test-collector`; without that build
these tests are skipped. Fluent Bit is in no registry that the project installs from: where a binary of the pinned
release's kind is on the PATH it reads its file, and elsewhere the file is held against what Fluent Bit's documentation
says of every key that it uses, which is less.
"""

import shutil
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from .counts import record
from .rendering import PROFILES, TOOLS, Manifests, parse, pod_spec

_COLLECTOR: Final = TOOLS / "collector" / "otelcol"
_NAMESPACE: Final = "bezant-observability"
_CHUNK_MEGABYTES: Final = 2
"""A chunk of Fluent Bit: https://docs.fluentbit.io/manual/administration/buffering-and-storage"""
_READS_YAML_SINCE: Final = 2
"""The first release of Fluent Bit whose YAML has parsers and lists (3.2 calls it standard); 1.9 ends at line 13."""
_TEXT: Final = object()
_SECTIONS: Final = frozenset({"service", "parsers", "pipeline"})
_KEYS: Final[dict[str, dict[str, object]]] = {
    "service": {
        "flush": int, "log_level": _TEXT, "http_server": bool, "http_listen": _TEXT, "http_port": int,
        "health_check": bool, "storage.path": _TEXT, "storage.max_chunks_up": int,
    },
    "parsers": {
        "name": _TEXT, "format": _TEXT, "regex": _TEXT, "time_key": _TEXT, "time_format": _TEXT, "time_keep": bool,
    },
    "tail": {
        "tag": _TEXT, "path": _TEXT, "multiline.parser": _TEXT, "db": _TEXT, "skip_long_lines": bool,
        "storage.type": _TEXT, "refresh_interval": int,
    },
    "parser": {"match": _TEXT, "key_name": _TEXT, "parser": _TEXT, "reserve_data": bool},
    "modify": {"match": _TEXT, "add": list},
    "cloudwatch_logs": {
        "match": _TEXT, "region": _TEXT, "log_group_name": _TEXT, "log_group_template": _TEXT,
        "log_stream_prefix": _TEXT, "auto_create_group": bool, "log_retention_days": int, "retry_limit": int,
    },
    "splunk": {
        "match": _TEXT, "host": _TEXT, "port": int, "tls": bool, "tls.verify": bool, "splunk_token": _TEXT,
    },
}  # fmt: skip
"""Keys that the file may use, by section or plugin: https://docs.fluentbit.io/manual/pipeline"""


def _configuration(profile: str, name: str) -> str:
    text: str = Manifests.of(profile).get("ConfigMap", name, _NAMESPACE)["data"][f"{name}.yaml"]
    return text


def _refused(document: dict[str, Any]) -> list[str]:
    """Return what Fluent Bit's documentation does not know in a configuration."""
    found = [f"the section {name}" for name in document.keys() - _SECTIONS]
    parts = [("service", document["service"])]
    parts += [("parsers", one) for one in document["parsers"]]
    for kind in ("inputs", "filters", "outputs"):
        parts += [(str(one.get("name")), one) for one in document["pipeline"].get(kind, [])]
    found += [f"pipeline.{name}" for name in document["pipeline"].keys() - {"inputs", "filters", "outputs"}]
    for part, given in parts:
        known = _KEYS.get(part)
        if known is None:
            found.append(f"the plugin {part}")
            continue
        for key, value in given.items():
            wanted = known.get(key, _TEXT if key == "name" else None)
            fits = isinstance(value, str) if wanted is _TEXT else wanted is not None and isinstance(value, wanted)  # type: ignore[arg-type]
            if not fits:
                found.append(f"{part}: {key}: {value!r}")
    parsers = {one["name"] for one in document["parsers"]}
    for one in document["pipeline"]["filters"]:
        if one["name"] == "parser" and one["parser"] not in parsers:
            found.append(f"the parser {one['parser']}")
    return found


@pytest.mark.parametrize("profile", PROFILES)
def test_fluent_bits_file_uses_only_what_its_documentation_knows(profile: str) -> None:
    (document,) = parse(_configuration(profile, "fluent-bit"))
    assert _refused(document) == []


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("service", "storage.max_chunk_up"), 16),
        (("service", "flush"), "five"),
        (("pipeline", "inputs", 0, "multiline_parser"), "cri"),
        (("pipeline", "filters", 0, "parser"), "none"),
        (("pipeline", "outputs", 0, "name"), "cloudwatch_log"),
        (("pipeline", "output"), []),
        (("parser",), []),
    ],
)
def test_what_fluent_bit_does_not_know_is_seen(place: tuple[Any, ...], value: object) -> None:
    (document,) = parse(_configuration("us-east-1 active", "fluent-bit"))
    here: Any = document
    for step in place[:-1]:
        here = here[step]
    here[place[-1]] = value
    assert _refused(document)


@pytest.mark.parametrize("profile", PROFILES)
def test_fluent_bits_buffers_fit_into_its_memory(profile: str) -> None:
    """Half of the limit is for chunks; the other half is for what it does with them."""
    (document,) = parse(_configuration(profile, "fluent-bit"))
    (container,) = pod_spec(Manifests.of(profile).get("DaemonSet", "fluent-bit", _NAMESPACE))["containers"]
    limit = int(container["resources"]["limits"]["memory"].removesuffix("Mi"))
    assert document["service"]["storage.max_chunks_up"] * _CHUNK_MEGABYTES <= limit // 2
    inputs = document["pipeline"]["inputs"]
    assert all(one["storage.type"] == "filesystem" and "mem_buf_limit" not in one for one in inputs)


def test_the_pinned_fluent_bit_is_of_a_line_that_lives() -> None:
    """The line 2 of AWS's image is Fluent Bit 1.9, which refuses the file and ended on 2026-06-30."""
    (container,) = pod_spec(Manifests.of("us-east-1 active").get("DaemonSet", "fluent-bit", _NAMESPACE))["containers"]
    image, _, tag = container["image"].rpartition(":")
    assert image == "public.ecr.aws/aws-observability/aws-for-fluent-bit"
    assert int(tag.partition(".")[0]) > _READS_YAML_SINCE


@pytest.mark.parametrize("profile", ["us-east-1 active", "us-east-1 with Splunk"])
def test_fluent_bit_itself_accepts_its_file(profile: str, tmp_path: Path) -> None:
    binary = shutil.which("fluent-bit")
    if binary is None:
        record("fluent-bit", "the binary itself", "not here: the file was held against the documentation alone")
        pytest.skip("no fluent-bit on the PATH")
    file = tmp_path / "fluent-bit.yaml"
    file.write_text(_configuration(profile, "fluent-bit").replace("/var/fluent-bit", str(tmp_path)))
    command = [binary, "--dry-run", f"--config={file}"]
    said = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert said.returncode == 0, said.stderr


def _collector(text: str, directory: Path) -> "subprocess.CompletedProcess[str]":
    """Have the collector judge a configuration, with `nop` in the place of the X-Ray exporter."""
    if not _COLLECTOR.exists():
        pytest.skip("the collector is not built: make test-collector")
    document = yaml.safe_load(text)
    document["exporters"]["nop"] = {}
    del document["exporters"]["awsxray"]
    for pipeline in document["service"]["pipelines"].values():
        pipeline["exporters"] = ["nop" if one == "awsxray" else one for one in pipeline["exporters"]]
    file = directory / "collector.yaml"
    file.write_text(yaml.safe_dump(document))
    command = [str(_COLLECTOR), "validate", f"--config={file}"]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("profile", PROFILES)
def test_the_collector_itself_accepts_its_file(profile: str, tmp_path: Path) -> None:
    said = _collector(_configuration(profile, "collector"), tmp_path)
    assert said.returncode == 0, said.stderr
    record("otelcol validate", "configurations", f"{len(PROFILES)}, with nop for awsxray")


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("check_interval: 1s", "check_intervall: 1s"),
        ("action: upsert", "action: insertt"),
        ("receivers: [otlp]", "receivers: [oltp]"),
        ("send_batch_size: 512", "send_batch_size: many"),
        ("endpoint: 0.0.0.0:13133", "endpoints: 0.0.0.0:13133"),
    ],
)
def test_the_collector_refuses_what_it_does_not_know(right: str, wrong: str, tmp_path: Path) -> None:
    text = _configuration("us-east-1 active", "collector")
    assert right in text
    assert _collector(text.replace(right, wrong), tmp_path).returncode != 0


def test_the_x_ray_exporter_is_given_only_settings_that_it_has() -> None:
    """Nothing here can run it; its settings are those of awsxrayexporter in opentelemetry-collector-contrib."""
    (document,) = parse(_configuration("us-east-1 active", "collector"))
    assert document["exporters"].keys() == {"awsxray"}
    settings = document["exporters"]["awsxray"]
    assert settings.keys() <= {"region", "indexed_attributes", "index_all_attributes", "local_mode", "role_arn"}
    assert isinstance(settings["indexed_attributes"], list)
