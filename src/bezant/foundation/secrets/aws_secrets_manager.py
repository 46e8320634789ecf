"""Secrets in AWS Secrets Manager, one JSON secret string each.

Source: https://docs.aws.amazon.com/secretsmanager/latest/apireference/. boto3 is blocking, so that calls run
on threads; the client itself is safe to share between them.
"""

import asyncio
import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

import boto3
import msgspec
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from bezant.foundation.secrets.store import SecretMissing, SecretStoreUnavailable

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_secretsmanager.type_defs import CreateSecretRequestTypeDef, ReplicaRegionTypeTypeDef

T = TypeVar("T")


class _Exists(Exception):
    """A secret of this name was created by somebody else."""


class AwsSecretsManager:
    """Secret store in one AWS region. Credentials come from the usual chain (Pod Identity on EKS).

    What is made here is copied to `replica_regions` by AWS, later values too. A copy is read there like any other
    secret; it is written only after it was made to stand alone (docs/operations/failover.md).
    """

    def __init__(
        self,
        *,
        region: str | None,
        endpoint_url: str | None,
        replica_regions: Sequence[str] = (),
        kms_key_id: str = "",
    ) -> None:
        """`kms_key_id` encrypts what is made here; an alias names a key in each region. Empty: AWS's own key."""
        self._replica_regions = list(replica_regions)
        self._kms_key_id = kms_key_id
        self._client: SecretsManagerClient = boto3.client(
            "secretsmanager",
            region_name=region,
            endpoint_url=endpoint_url,
            config=Config(retries={"mode": "standard", "max_attempts": 5}, connect_timeout=2, read_timeout=5),
        )

    async def _call(self, name: str, work: Callable[[], T]) -> T:
        try:
            return await asyncio.to_thread(work)
        except ClientError as error:
            if error.response["Error"]["Code"] == "ResourceNotFoundException":
                raise SecretMissing(name) from error
            if error.response["Error"]["Code"] == "ResourceExistsException":
                raise _Exists from error
            raise SecretStoreUnavailable(
                f"AWS Secrets Manager refused {name}: {error.response['Error']['Code']}. "
                "Check the role of this pod and the region"
            ) from error
        except BotoCoreError as error:
            raise SecretStoreUnavailable(f"AWS Secrets Manager does not answer for {name}: {error}") from error

    async def read(self, name: str) -> dict[str, str]:
        """See `SecretStore.read`."""
        text = await self._call(name, lambda: self._client.get_secret_value(SecretId=name).get("SecretString", ""))
        try:
            # RDS writes the port of a secret that it rotates as a number.
            return {key: str(value) for key, value in msgspec.json.decode(text, type=dict[str, str | int]).items()}
        except msgspec.DecodeError:
            # Not chained: the message of a decoder may quote what it read.
            raise SecretStoreUnavailable(
                f"the secret {name} in AWS Secrets Manager is not a JSON object of strings; write it again"
            ) from None

    async def write(self, name: str, value: dict[str, str]) -> None:
        """See `SecretStore.write`. Creates the secret on its first write."""
        text = json.dumps(value)
        try:
            await self._call(name, lambda: self._client.put_secret_value(SecretId=name, SecretString=text))
        except SecretMissing:
            try:
                await self._create(name, text)
            except _Exists:
                # Another process created it at the same moment; the later value stands.
                await self._call(name, lambda: self._client.put_secret_value(SecretId=name, SecretString=text))

    async def _create(self, name: str, text: str) -> None:
        request: CreateSecretRequestTypeDef = {"Name": name, "SecretString": text}
        if self._kms_key_id:
            request["KmsKeyId"] = self._kms_key_id
        replicas: list[ReplicaRegionTypeTypeDef] = [{"Region": region} for region in self._replica_regions]
        if replicas:
            if self._kms_key_id:
                replicas = [{**replica, "KmsKeyId": self._kms_key_id} for replica in replicas]
            request["AddReplicaRegions"] = replicas
        await self._call(name, lambda: self._client.create_secret(**request))

    async def _remove_copies(self, name: str) -> None:
        """Remove the copies that there are: AWS deletes no secret that has some."""
        described = await self._call(name, lambda: self._client.describe_secret(SecretId=name))
        regions = [copy["Region"] for copy in described.get("ReplicationStatus", ()) if "Region" in copy]
        if regions:
            await self._call(
                name,
                lambda: self._client.remove_regions_from_replication(SecretId=name, RemoveReplicaRegions=regions),
            )

    async def delete(self, name: str) -> None:
        """See `SecretStore.delete`. Without a recovery window: the credential itself is dropped at the same time."""
        try:
            await self._remove_copies(name)
            await self._call(name, lambda: self._client.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True))
        except SecretMissing:
            return

    async def names(self, prefix: str) -> list[str]:
        """See `SecretStore.names`."""

        def listed() -> list[str]:
            pages = self._client.get_paginator("list_secrets").paginate(Filters=[{"Key": "name", "Values": [prefix]}])
            return sorted(entry["Name"] for page in pages for entry in page["SecretList"])

        return [name for name in await self._call(prefix, listed) if name.startswith(prefix)]
