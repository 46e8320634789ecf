"""The version under test: a git reference, a wheel, or the installed one under another label.

A version is installed in an environment of its own beside the stable one, so that both run at the same time with their
own code. What it needs of other packages is installed too, with the hashes that it pins; when it pins the same ones as
the stable version they are shared, which saves a minute and some hundred megabytes.
"""

import os
import re
import site
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import bezant

CURRENT: Final = "current"
_PINS: Final = "requirements/run.txt"
_OWN_COMMAND: Final = ("-m", "bezant.cli.serve_process")
_MOST_SECONDS: Final = 600


class VersionUnusable(Exception):
    """The reference names no version that can be installed. The message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Version:
    """A version that can be run."""

    label: str
    """What its processes call themselves."""
    python: Path
    """The interpreter of its environment."""
    origin: str
    """A commit, a wheel's name, or `current`."""
    needs_migration: bool
    """Whether its migrations have to run before its first process."""

    @property
    def command(self) -> tuple[str, ...]:
        """What serves a service, given the service's name as the last argument."""
        return (str(self.python), *_OWN_COMMAND)


def prepare(reference: str, directory: Path, *, checkout: Path | None = None) -> Version:
    """Install the version that `reference` names below `directory`, and return it. Blocks for up to a minute or two.

    `checkout` is the git checkout that references are looked up in; the one that holds this code by default. Raises
    `VersionUnusable`.
    """
    if reference == CURRENT:
        return Version(f"{bezant.__version__}+next", Path(sys.executable), CURRENT, needs_migration=False)
    directory.mkdir(parents=True, exist_ok=True)
    if reference.endswith(".whl"):
        return _from_wheel(Path(reference), directory)
    return _from_git(reference, directory, checkout or _own_checkout())


def resolve(reference: str, *, checkout: Path | None = None) -> str:
    """Return what names the same version for good: of a git reference, which may move, its commit.

    Raises `VersionUnusable` at once for what names no version, so that nothing is started in vain.
    """
    if reference == CURRENT:
        return reference
    if reference.endswith(".whl"):
        _version_of(Path(reference))
        return reference
    return _commit(reference, checkout or _own_checkout())


def _own_checkout() -> Path:
    root = Path(bezant.__file__).resolve().parents[2]
    if not (root / ".git").exists():
        raise VersionUnusable(
            "this Bezant is not installed from a git checkout, so that no git reference can be looked up; "
            "name a wheel, or `current`"
        )
    return root


def _version_of(wheel: Path) -> str:
    try:
        with zipfile.ZipFile(wheel) as archive:
            metadata = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
            found = re.search(r"^Version: (\S+)$", archive.read(metadata).decode(), re.MULTILINE)
    except (OSError, zipfile.BadZipFile, StopIteration) as error:
        raise VersionUnusable(f"{wheel} is no wheel that can be read: {error}") from error
    if not wheel.name.startswith("bezant-") or found is None:
        raise VersionUnusable(f"{wheel} is not a wheel of Bezant")
    return found[1]


def _from_wheel(wheel: Path, directory: Path) -> Version:
    version = _version_of(wheel)
    python = _environment(directory, shared=False)
    _run([sys.executable, "-m", "pip", "--python", str(python), "install", "-q", str(wheel)], "install the wheel")
    label = version if version != bezant.__version__ else f"{version}+wheel"
    return Version(label, python, wheel.name, needs_migration=True)


def _commit(reference: str, checkout: Path) -> str:
    if reference.startswith("-"):
        raise VersionUnusable(f"{reference!r} is no git reference")
    command = ["git", "-C", str(checkout), "rev-parse", "--verify", "--quiet", f"{reference}^{{commit}}"]
    return _run(command, _found(reference)).strip()


def _from_git(reference: str, directory: Path, checkout: Path) -> Version:
    git = ["git", "-C", str(checkout)]
    commit = _commit(reference, checkout)
    source = directory / "source"
    source.mkdir()
    archive = directory / "source.tar"
    _run([*git, "archive", "--output", str(archive), commit, "pyproject.toml", "README.md", "LICENSE", "src",
                _PINS], f"read {reference}: is it a version of Bezant?")  # fmt: skip
    _run(["tar", "-xf", str(archive), "-C", str(source)], f"unpack {reference}")
    pins = (source / _PINS).read_bytes()
    shared = pins == (checkout / _PINS).read_bytes()
    python = _environment(directory, shared=shared)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    if not shared:
        _run([*pip, "--python", str(python), "install", "-q", "--require-hashes", "-r", str(source / _PINS)],
                   f"install what {reference} needs")  # fmt: skip
    _run([*pip, "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", str(directory), str(source)],
               f"build {reference}")  # fmt: skip
    wheel = next(directory.glob("bezant-*.whl"))
    _run([*pip, "--python", str(python), "install", "-q", "--no-deps", str(wheel)], f"install {reference}")
    number = wheel.name.split("-")[1]
    return Version(f"{number}+g{commit[:8]}", python, commit, needs_migration=True)


def _found(reference: str) -> str:
    return f"find {reference!r} in this checkout's history; name a commit, a tag, a branch, a wheel or `current`"


def _environment(directory: Path, *, shared: bool) -> Path:
    """Make a virtual environment and return its interpreter; `shared` lets it use the packages of this one."""
    root = directory / "environment"
    _run([sys.executable, "-m", "venv", "--without-pip", str(root)], "make an environment")
    python = root / "bin" / "python"
    if shared:
        place = sysconfig.get_path("purelib", vars={"base": str(root), "platbase": str(root)})
        # searched after its own packages; files of ours that make editable installs visible are not read there
        (Path(place) / "stable.pth").write_text("".join(f"{path}\n" for path in site.getsitepackages()))
    return python


def migrate(version: Version, settings: Mapping[str, str], administrator: Path) -> str:
    """Run the version's migrations beside what is running, as a release does; return what it told.

    `settings` reach the platform; `administrator` holds `user` and `password`. Raises `VersionUnusable`.
    """
    command = [str(version.python), "-m", "bezant.cli.main", "migrate", "--administrator", str(administrator)]
    return _run(command, f"migrate to {version.label}", settings)


def _run(command: Sequence[str], what: str, settings: Mapping[str, str] | None = None) -> str:
    # no setting of Python's own is passed on: another version's code must not be found by it
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    try:
        done = subprocess.run(  # noqa: S603  the commands above
            command,
            env={**environment, **(settings or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=_MOST_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise VersionUnusable(f"could not {what}: {error}") from error
    text = done.stdout.decode(errors="replace")
    if done.returncode != 0:
        tail = "\n".join(text.strip().splitlines()[-8:])
        raise VersionUnusable(f"could not {what}" + (f":\n{tail}" if tail else ""))
    return text
