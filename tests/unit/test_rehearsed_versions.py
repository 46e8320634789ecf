"""What names no version is refused before anything is started for it."""

import zipfile
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bezant.cli.main import app
from bezant.rehearsal.versions import VersionUnusable, resolve


def _wheel(path: Path, text: str) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("bezant-9.dist-info/METADATA", text)
    return path


def test_the_installed_version_and_a_wheel_of_bezant_are_versions(tmp_path: Path) -> None:
    wheel = str(_wheel(tmp_path / "bezant-9-py3-none-any.whl", "Version: 9\n"))
    assert (resolve("current"), resolve(wheel)) == ("current", wheel)


@pytest.mark.parametrize("reference", ["no-such-branch", "", "--exec=ls", "/no/such/bezant-9.whl"])
@pytest.mark.parametrize("command", ["rolling", "canary"])
def test_what_is_none_is_refused_without_a_platform(
    command: str, reference: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bezant.local.platform.LocalPlatform.start", None)
    refused = CliRunner().invoke(app, ["rehearse", command, f"--to={reference}"])
    assert refused.exit_code == 2, refused.output
    assert "Traceback" not in refused.output


@pytest.mark.parametrize(
    ("name", "text"), [("other-9.whl", "Version: 9\n"), ("bezant-9.whl", "Name: bezant\n"), ("bezant-8.whl", "")]
)
def test_a_wheel_of_something_else_is_none(tmp_path: Path, name: str, text: str) -> None:
    with pytest.raises(VersionUnusable):
        resolve(str(_wheel(tmp_path / name, text)))
    broken = tmp_path / "bezant-7.whl"
    broken.write_bytes(b"no archive")
    with pytest.raises(VersionUnusable):
        resolve(str(broken))
