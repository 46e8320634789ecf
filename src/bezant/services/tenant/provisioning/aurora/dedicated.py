"""A tenant's own cluster: a writer and readers, each in a zone of its own, and their end.

Everything is asked of AWS before it is made, so that a process that takes over goes on where the last one stood.
"""

import secrets as random_secrets
from typing import Any, Final
from uuid import UUID

from bezant.foundation.failpoints import failpoint
from bezant.foundation.secrets import SecretMissing, SecretStore
from bezant.services.tenant.provisioning.aurora import names, requests
from bezant.services.tenant.provisioning.aurora.failures import AwsExists, AwsMissing, ClusterBroken, NotOurs
from bezant.services.tenant.provisioning.aurora.follower import Follower
from bezant.services.tenant.provisioning.aurora.log_groups import LogGroups
from bezant.services.tenant.provisioning.aurora.patience import Patience
from bezant.services.tenant.provisioning.aurora.quotas import require_room
from bezant.services.tenant.provisioning.aurora.rds_api import RdsApi
from bezant.services.tenant.provisioning.aurora.settings import AuroraSettings

_READY: Final = frozenset({"available", "backing-up", "storage-optimization"})
_BROKEN: Final = frozenset(
    {"failed", "inaccessible-encryption-credentials", "inaccessible-encryption-credentials-recoverable",
     "incompatible-network", "incompatible-option-group", "incompatible-parameters", "incompatible-restore",
     "insufficient-capacity", "restore-error", "cloning-failed", "migration-failed", "storage-full"}
)  # fmt: skip
"""https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/accessing-monitoring.html"""


class DedicatedClusters:
    """Makes and removes clusters of one tenant each."""

    def __init__(
        self, settings: AuroraSettings, rds: RdsApi, logs: LogGroups, secrets: SecretStore, *, follower: Follower | None
    ) -> None:
        self._settings = settings
        self._rds = rds
        self._logs = logs
        self._secrets = secrets
        self._follower = follower

    async def create(self, tenant_id: UUID, patience: Patience) -> Any:
        """Return the tenant's cluster once all of it is available. Raises `GivenUp` in its kinds."""
        identifier = names.dedicated_cluster(tenant_id)
        cluster = await patience.do(lambda: self._cluster(tenant_id))
        if cluster is None:
            await patience.say("checking the account's quotas")
            instances = 1 + self._settings.readers
            await patience.do(lambda: require_room(self._rds, clusters=1, instances=instances))
            password = await self._password(identifier)
            failpoint("onboarding.administrator_stored")
            await patience.do(
                lambda: self._logs.prepare(
                    identifier, days=self._settings.log_retention_days, kms_key_id=self._settings.kms_key_id
                )
            )
            failpoint("onboarding.log_group_made")
            await patience.say(f"asking for the cluster {identifier}")
            await patience.do(lambda: self._create_cluster(tenant_id, password))
        failpoint("onboarding.cluster_requested")
        for number in range(1 + self._settings.readers):
            await patience.say(f"asking for the instance {names.instance(identifier, number)}")
            await patience.do(lambda number=number: self._create_instance(tenant_id, number))  # type: ignore[misc]
            failpoint("onboarding.instance_requested")
        cluster = await patience.until(lambda: self._available(tenant_id))
        failpoint("onboarding.cluster_available")
        if self._follower is not None:
            await self._follower.create(tenant_id, cluster, patience)
        return cluster

    async def remove(self, tenant_id: UUID, patience: Patience, *, final_snapshot: bool) -> None:
        """Remove the tenant's cluster with its instances and its administrator's secret, and wait until it is gone.

        Raises `NotOurs` about somebody else's cluster of that name when a final snapshot is wanted of it; where only
        a failed onboarding is undone, it is none of our business and is left alone.
        """
        identifier = names.dedicated_cluster(tenant_id)
        if self._follower is not None:
            await self._follower.remove(tenant_id, patience, keep_logs=final_snapshot)
        try:
            cluster = await patience.do(lambda: self._cluster(tenant_id))
        except NotOurs as error:
            if final_snapshot:
                raise
            await patience.say(str(error))
            return
        if cluster is not None:
            await patience.until(lambda: self._ask_to_delete(tenant_id, final_snapshot=final_snapshot))
            failpoint("onboarding.cluster_deletion_requested")
            await patience.until(lambda: self._gone(tenant_id))
        failpoint("onboarding.cluster_gone")
        if not final_snapshot:
            await patience.do(lambda: self._logs.remove(identifier))
        await self._secrets.delete(names.administrator_secret(identifier))

    async def _cluster(self, tenant_id: UUID) -> Any | None:
        """Return the tenant's cluster if it is there. Raises `NotOurs` when it is somebody else's."""
        identifier = names.dedicated_cluster(tenant_id)
        return names.require_own(await self._rds.cluster(identifier), tenant_id, region=self._rds.region)

    async def _password(self, identifier: str) -> str:
        """Return the administrator's password, made by whoever comes first: it is stored before it is used."""
        name = names.administrator_secret(identifier)
        try:
            return (await self._secrets.read(name))["password"]
        except SecretMissing:
            password = random_secrets.token_urlsafe(30)
            await self._secrets.write(name, {"username": names.ADMINISTRATOR, "password": password})
            return password

    async def _create_cluster(self, tenant_id: UUID, password: str) -> None:
        wanted = requests.primary_cluster(self._settings, tenant_id, password=password)
        try:
            await self._rds.request("create_db_cluster", **wanted)
        except AwsExists:
            # Another process asked at the same moment, or an answer was lost.
            await self._cluster(tenant_id)

    async def _create_instance(self, tenant_id: UUID, number: int) -> None:
        zones = self._settings.zone_names
        # The writers of many tenants are spread over the zones, and a cluster's readers stand elsewhere.
        zone = zones[(tenant_id.int + number) % len(zones)]
        wanted = requests.instance(self._settings, tenant_id, number, zone=zone, kms_key_id=self._settings.kms_key_id)
        try:
            await self._rds.request("create_db_instance", **wanted)
        except AwsExists:
            return

    async def _available(self, tenant_id: UUID) -> Any | str:
        """Return the cluster when all of it is available, else what is not. Raises `ClusterBroken`."""
        cluster = await self._cluster(tenant_id)
        if cluster is None:
            return "the cluster is not listed yet"
        instances = await self._rds.instances(cluster["DBClusterIdentifier"])
        states = {cluster["DBClusterIdentifier"]: cluster["Status"]}
        states |= {each["DBInstanceIdentifier"]: each["DBInstanceStatus"] for each in instances}
        broken = {name: state for name, state in states.items() if state in _BROKEN}
        if broken:
            raise ClusterBroken(
                f"{', '.join(f'{name} is {state}' for name, state in broken.items())}: look at its events in the RDS "
                "console (key, network, parameter group), mend the BEZANT_AURORA_ settings and onboard again"
            )
        waiting = [f"{name} is {state}" for name, state in sorted(states.items()) if state not in _READY]
        if waiting or len(instances) < 1 + self._settings.readers:
            ready = sum(each["DBInstanceStatus"] in _READY for each in instances)
            return f"{ready} of {1 + self._settings.readers} instances available; " + ", ".join(waiting)
        return cluster

    async def _ask_to_delete(self, tenant_id: UUID, *, final_snapshot: bool) -> bool | str:
        """Ask for the end of the instances, then of the cluster. Returns True once AWS has taken both on."""
        cluster = await self._cluster(tenant_id)
        if cluster is None or cluster["Status"] == "deleting":
            return True
        identifier = cluster["DBClusterIdentifier"]
        if cluster.get("DeletionProtection"):
            await self._rds.request(
                "modify_db_cluster", DBClusterIdentifier=identifier, DeletionProtection=False, ApplyImmediately=True
            )
            failpoint("onboarding.protection_lifted")
        for each in await self._rds.instances(identifier):
            if each["DBInstanceStatus"] != "deleting":
                await self._delete_instance(each["DBInstanceIdentifier"])
        keep: dict[str, Any] = (
            {"FinalDBSnapshotIdentifier": names.final_snapshot(tenant_id)}
            if final_snapshot
            else {"SkipFinalSnapshot": True}
        )
        try:
            await self._rds.request("delete_db_cluster", DBClusterIdentifier=identifier, **keep)
        except AwsMissing:
            return True
        except AwsExists as error:
            raise NotOurs(
                f"there is a snapshot {names.final_snapshot(tenant_id)} already; the cluster is kept. Find out what it "
                "is, copy or delete it, then close the tenant again"
            ) from error
        return True

    async def _delete_instance(self, identifier: str) -> None:
        try:
            await self._rds.request("delete_db_instance", DBInstanceIdentifier=identifier)
        except AwsMissing:
            return

    async def _gone(self, tenant_id: UUID) -> bool | str:
        identifier = names.dedicated_cluster(tenant_id)
        cluster = await self._rds.cluster(identifier)
        instances = await self._rds.instances(identifier)
        if cluster is None and not instances:
            return True
        state = "gone" if cluster is None else cluster["Status"]
        return f"waiting for the end of {identifier}: it is {state}, {len(instances)} instances are left"
