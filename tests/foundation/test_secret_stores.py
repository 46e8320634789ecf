"""One promise, three back ends: every test runs on encrypted files, mounted Kubernetes Secrets and AWS, as two
independent emulators play it.
"""

import asyncio
import base64
import contextlib
import itertools
import os
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from bezant.foundation.secrets import SecretMissing, SecretStore, SecretStoreUnavailable, open_secret_store
from bezant.foundation.secrets.aws_secrets_manager import AwsSecretsManager
from bezant.foundation.secrets.encrypted_files import EncryptedFiles
from bezant.foundation.secrets.kubernetes_files import KubernetesFiles
from bezant.foundation.settings import Settings

from ..stores.aws import AwsEdge

PLANTED = "s3cret-that-nobody-may-see"
NAME = "bezant/tenants/0190/payment"
_ACCOUNTS = itertools.count(200_000_000_000)


def _files(directory: Path) -> EncryptedFiles:
    EncryptedFiles.create_key(directory / "key")
    return EncryptedFiles(directory / "secrets", directory / "key")


@pytest.fixture(params=["file", "kubernetes", "aws", "aws over http"])
def store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SecretStore]:
    with contextlib.ExitStack() as stack:
        endpoint_url = None
        if request.param == "aws over http":
            aws: AwsEdge = request.getfixturevalue("aws")
            endpoint_url = aws.url
            # An account of its own: to the emulator twelve digits are one.
            monkeypatch.setenv("AWS_ACCESS_KEY_ID", f"{next(_ACCOUNTS):012}")
            monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
        elif request.param == "aws":
            for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
                monkeypatch.setenv(name, "testing")
            stack.enter_context(mock_aws())
        elif request.param == "file":
            EncryptedFiles.create_key(tmp_path / "key")
        yield open_secret_store(
            Settings(
                secret_store=request.param.partition(" ")[0],
                secret_store_dir=str(tmp_path / "secrets"),
                secret_store_key_file=str(tmp_path / "key"),
                aws_region="us-east-1",
                aws_endpoint_url=endpoint_url,
            )
        )


async def test_what_was_written_is_read(store: SecretStore) -> None:
    value = {"user": "u", "password": PLANTED, "quoted": 'a"b\\c\nd', "unicode": "ключ 🔑", "empty": ""}
    await store.write(NAME, value)
    assert await store.read(NAME) == value


async def test_platform_secrets_are_the_mounted_ones_where_there_are_mounts(tmp_path: Path) -> None:
    EncryptedFiles.create_key(tmp_path / "key")
    behind = Settings(secret_store_dir=str(tmp_path / "secrets"), secret_store_key_file=str(tmp_path / "key"))
    store = open_secret_store(behind.model_copy(update={"platform_secrets_dir": str(tmp_path / "mounted")}))
    mounted = tmp_path / "mounted" / "bezant__platform__kafka"
    mounted.mkdir(parents=True)
    (mounted / "user").write_text("mounted")
    await store.write("bezant/platform/kafka", {"user": "stored"})
    await store.write("bezant/platform/valkey", {"user": "stored"})
    await store.write(NAME, {"user": "tenant"})
    assert await store.read("bezant/platform/kafka") == {"user": "mounted"}
    assert await open_secret_store(behind).read("bezant/platform/kafka") == {"user": "stored"}
    # one that is not mounted does not exist for this process, whatever the store would say
    with pytest.raises(SecretMissing):
        await store.read("bezant/platform/valkey")
    assert await store.names("bezant/platform/") == ["bezant/platform/kafka"]
    assert await store.read(NAME) == {"user": "tenant"}
    assert await store.names("bezant/tenants/") == [NAME]
    await store.delete("bezant/platform/valkey")
    with pytest.raises(SecretMissing):
        await open_secret_store(behind).read("bezant/platform/valkey")


async def test_a_replaced_secret_has_only_its_new_keys(store: SecretStore) -> None:
    await store.write(NAME, {"user": "a", "password": "1", "old": "x"})
    await store.write(NAME, {"user": "b", "password": "2"})
    assert await store.read(NAME) == {"user": "b", "password": "2"}


async def test_a_missing_secret_says_its_name(store: SecretStore) -> None:
    with pytest.raises(SecretMissing, match=NAME) as caught:
        await store.read(NAME)
    assert caught.value.name == NAME


async def test_a_deleted_secret_is_missing_and_can_be_deleted_again_and_made_anew(store: SecretStore) -> None:
    await store.write(NAME, {"password": "1"})
    await store.delete(NAME)
    await store.delete(NAME)
    with pytest.raises(SecretMissing):
        await store.read(NAME)
    await store.write(NAME, {"password": "2"})
    assert await store.read(NAME) == {"password": "2"}


async def test_names_are_those_of_the_prefix_sorted(store: SecretStore) -> None:
    assert await store.names("bezant/") == []
    for name in ("bezant/tenants/b/fraud", "bezant/tenants/a/audit", "bezant/platform/kafka", "bezant/tenants/a/fraud"):
        await store.write(name, {"x": "y"})
    assert await store.names("bezant/tenants/") == [
        "bezant/tenants/a/audit", "bezant/tenants/a/fraud", "bezant/tenants/b/fraud",
    ]  # fmt: skip
    await store.delete("bezant/tenants/a/fraud")
    assert await store.names("bezant/tenants/a/") == ["bezant/tenants/a/audit"]
    assert await store.names("nothing/") == []


async def test_readers_see_the_old_value_or_the_new_never_a_mixture(store: SecretStore) -> None:
    def value(number: int) -> dict[str, str]:
        return {"user": f"u{number}", "password": f"p{number}", "url": f"l{number}"}

    await store.write(NAME, value(0))
    written = asyncio.Event()

    async def replace() -> None:
        for number in range(1, 40):
            await store.write(NAME, value(number))
        written.set()

    async def read() -> int:
        seen = 0
        while not written.is_set():
            found = await store.read(NAME)
            assert found == value(int(found["user"][1:]))
            seen += 1
        return seen

    counts, _ = await asyncio.gather(asyncio.gather(*(read() for _ in range(3))), replace())
    assert all(counts)
    assert await store.read(NAME) == value(39)


async def test_writers_at_the_same_time_leave_one_of_the_values(store: SecretStore) -> None:
    values = [{"user": f"u{number}", "password": f"p{number}"} for number in range(8)]
    await asyncio.gather(*(store.write(NAME, value) for value in values))
    assert await store.read(NAME) in values
    assert await store.names("bezant/") == [NAME]


async def test_a_name_cannot_reach_outside_the_store(store: SecretStore, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_text(PLANTED)
    for name in ("../outside", "..", "a/../../outside"):
        with pytest.raises((SecretMissing, SecretStoreUnavailable)):
            await store.read(name)
        with contextlib.suppress(SecretMissing, SecretStoreUnavailable):
            await store.delete(name)
    assert (outside / "file").read_text() == PLANTED


async def test_numbers_that_rds_writes_into_a_rotated_secret_are_read_as_text(
    aws: AwsEdge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    value = '{"username": "a", "password": "p", "engine": "postgres", "host": "h", "port": 5432}'
    aws.client("secretsmanager").create_secret(Name="bezant/administrator/rotated", SecretString=value)
    store = AwsSecretsManager(region="us-east-1", endpoint_url=aws.url)
    assert (await store.read("bezant/administrator/rotated"))["port"] == "5432"


@dataclass
class Fault:
    """A store that cannot answer, made after a secret was written to it."""

    store: SecretStore
    act: Callable[[], Awaitable[object]]


@pytest.fixture(params=["wrong key", "other content", "cut off", "moved", "not json in aws", "aws away"])
async def fault(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fault:
    if "aws" in request.param:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.setenv(name, PLANTED)
        monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
        if request.param == "aws away":
            away = AwsSecretsManager(region="us-east-1", endpoint_url="http://127.0.0.1:9")
            return Fault(away, lambda: away.write(NAME, {"password": PLANTED}))
        mock = mock_aws()
        mock.start()
        request.addfinalizer(mock.stop)
        boto3.client("secretsmanager", region_name="us-east-1").create_secret(Name=NAME, SecretString=PLANTED)
        aws = AwsSecretsManager(region="us-east-1", endpoint_url=None)
        return Fault(aws, lambda: aws.read(NAME))
    files = _files(tmp_path)
    await files.write(NAME, {"password": PLANTED})
    path = tmp_path / "secrets" / f"{NAME}.enc"
    match request.param:
        case "wrong key":
            (tmp_path / "key").unlink()
            files = _files(tmp_path)
        case "other content":
            blob = bytearray(path.read_bytes())
            blob[-1] ^= 1
            path.write_bytes(blob)
        case "cut off":
            path.write_bytes(path.read_bytes()[:5])
        case "moved":
            other = path.with_name("fraud.enc")
            path.rename(other)
            return Fault(files, lambda: files.read(NAME.replace("payment", "fraud")))
    return Fault(files, lambda: files.read(NAME))


async def test_what_cannot_be_read_is_a_typed_error_without_the_secret(fault: Fault) -> None:
    with pytest.raises(SecretStoreUnavailable) as caught:
        await fault.act()
    text, error = "", caught.value
    while error is not None:
        text += f"{error!r} {error}"
        error = error.__cause__
    assert "bezant/tenants" in str(caught.value)
    assert PLANTED not in text


def test_a_missing_or_unusable_key_says_what_to_set(tmp_path: Path) -> None:
    short = tmp_path / "short"
    short.write_bytes(base64.b64encode(b"too short"))
    for key_file in (tmp_path / "none", short):
        with pytest.raises(SecretStoreUnavailable, match="BEZANT_SECRET_STORE_KEY_FILE"):
            EncryptedFiles(tmp_path, key_file)


async def test_files_of_the_encrypted_store_are_for_their_owner_and_hold_no_plain_text(tmp_path: Path) -> None:
    files = _files(tmp_path)
    key_before = (tmp_path / "key").read_bytes()
    EncryptedFiles.create_key(tmp_path / "key")
    assert (tmp_path / "key").read_bytes() == key_before
    await files.write(NAME, {"password": PLANTED})
    for path in (tmp_path / "key", tmp_path / "secrets" / f"{NAME}.enc"):
        assert path.stat().st_mode & 0o077 == 0
        assert PLANTED.encode() not in path.read_bytes()
    assert not list((tmp_path / "secrets").rglob(".new-*"))


class TestMountedByKubernetes:
    """What the kubelet does to a mounted Secret, as on https://kubernetes.io/docs/concepts/configuration/secret/."""

    @staticmethod
    def mount(directory: Path, version: str, value: dict[str, str]) -> None:
        """Swap `..data` to a new directory, as the kubelet does, and remove the old one."""
        volume = directory / NAME.replace("/", "__")
        (volume / version).mkdir(parents=True)
        for key, text in value.items():
            (volume / version / key).write_text(text)
            if not (volume / key).is_symlink():
                (volume / key).symlink_to(f"..data/{key}")
        old = (volume / "..data").readlink() if (volume / "..data").is_symlink() else None
        (volume / "..data_tmp").symlink_to(version)
        (volume / "..data_tmp").replace(volume / "..data")
        if old is not None:
            for file in (volume / old).iterdir():
                file.unlink()
            (volume / old).rmdir()

    async def test_a_swap_of_the_volume_is_seen_at_the_next_read(self, tmp_path: Path) -> None:
        store = KubernetesFiles(tmp_path)
        self.mount(tmp_path, "..2026_01", {"user": "a", "password": "1"})
        assert await store.read(NAME) == {"user": "a", "password": "1"}
        self.mount(tmp_path, "..2026_02", {"user": "b", "password": "2"})
        assert await store.read(NAME) == {"user": "b", "password": "2"}
        assert await store.names("bezant/") == [NAME]

    async def test_a_volume_that_is_not_filled_yet_is_a_missing_secret(self, tmp_path: Path) -> None:
        (tmp_path / NAME.replace("/", "__")).mkdir()
        with pytest.raises(SecretMissing):
            await KubernetesFiles(tmp_path).read(NAME)

    async def test_a_read_that_a_swap_overtakes_is_of_one_version(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        store = KubernetesFiles(tmp_path)
        self.mount(tmp_path, "..2026_01", {"password": "1", "user": "a"})
        listed = os.scandir
        swapped = False

        def iterdir(self: Path) -> Iterator[Path]:
            nonlocal swapped
            # The first file of the old version has been handed out when the kubelet swaps and removes the rest.
            for entry in sorted(listed(self), key=lambda entry: entry.name):
                yield self / entry.name
                if not swapped and "2026_01" in str(self):
                    swapped = True
                    TestMountedByKubernetes.mount(tmp_path, "..2026_02", {"password": "2", "user": "b"})
                    return

        monkeypatch.setattr(Path, "iterdir", iterdir)
        assert await store.read(NAME) == {"password": "2", "user": "b"}


async def test_what_is_made_in_one_aws_region_is_read_in_the_other_and_goes_from_both(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        here = AwsSecretsManager(region="us-east-1", endpoint_url=None, replica_regions=["sa-east-1"])
        there = AwsSecretsManager(region="sa-east-1", endpoint_url=None)
        await here.write(NAME, {"password": "first"})
        assert await there.read(NAME) == {"password": "first"}
        await here.delete(NAME)
        for store in (here, there):
            with pytest.raises(SecretMissing):
                await store.read(NAME)


async def test_the_settings_name_the_regions_that_get_copies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        settings = Settings(secret_store="aws", aws_region="us-east-1", secret_replica_regions="sa-east-1,eu-west-1")
        await open_secret_store(settings).write(NAME, {"password": PLANTED})
        for region in ("sa-east-1", "eu-west-1"):
            assert await AwsSecretsManager(region=region, endpoint_url=None).read(NAME) == {"password": PLANTED}


async def test_secrets_are_made_with_the_key_that_the_settings_name_in_each_region(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        settings = Settings(
            secret_store="aws", aws_region="us-east-1", secret_replica_regions="sa-east-1",
            secret_kms_key_id="alias/bezant-secrets",
        )  # fmt: skip
        store = open_secret_store(settings)
        assert isinstance(store, AwsSecretsManager)
        asked: list[dict[str, Any]] = []
        create = store._client.create_secret

        def create_secret(**request: Any) -> Any:
            asked.append(request)
            return create(**request)

        # the emulator forgets the key of a copy, so that the request itself is looked at
        monkeypatch.setattr(store._client, "create_secret", create_secret)
        await store.write(NAME, {"password": PLANTED})
        described = boto3.client("secretsmanager", region_name="us-east-1").describe_secret(SecretId=NAME)
        assert described["KmsKeyId"] == "alias/bezant-secrets"
        assert asked[0]["AddReplicaRegions"] == [{"Region": "sa-east-1", "KmsKeyId": "alias/bezant-secrets"}]
