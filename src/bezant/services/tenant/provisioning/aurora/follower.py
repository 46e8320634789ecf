"""A dedicated cluster's follower in the second region: both are members of a global database.

Source: https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/aurora-global-database-getting-started.html. The
follower has no credentials of its own; a promotion gives it the primary's.
"""

from typing import Any
from uuid import UUID

from bezant.foundation.failpoints import failpoint
from bezant.services.tenant.provisioning.aurora import names, requests
from bezant.services.tenant.provisioning.aurora.failures import AwsExists, AwsMissing, NotOurs
from bezant.services.tenant.provisioning.aurora.log_groups import LogGroups
from bezant.services.tenant.provisioning.aurora.patience import Patience
from bezant.services.tenant.provisioning.aurora.quotas import require_room
from bezant.services.tenant.provisioning.aurora.rds_api import RdsApi
from bezant.services.tenant.provisioning.aurora.settings import AuroraSettings


class Follower:
    """Makes and removes the global database around a tenant's cluster."""

    def __init__(self, settings: AuroraSettings, *, primary: RdsApi, secondary: RdsApi, logs: LogGroups) -> None:
        """`logs` are those of the secondary region."""
        self._settings = settings
        self._primary = primary
        self._secondary = secondary
        self._logs = logs

    async def create(self, tenant_id: UUID, cluster: Any, patience: Patience) -> None:
        """Make the global database of the cluster, and its follower, and wait until that is available."""
        identifier = names.dedicated_cluster(tenant_id)
        await patience.say("asking for the global database")
        await patience.do(lambda: self._create_global(tenant_id, cluster["DBClusterArn"]))
        failpoint("onboarding.global_requested")
        if await patience.do(lambda: self._cluster(tenant_id)) is None:
            await patience.do(lambda: require_room(self._secondary, clusters=1, instances=1))
            await patience.do(
                lambda: self._logs.prepare(
                    identifier, days=self._settings.log_retention_days, kms_key_id=self._settings.secondary_kms_key_id
                )
            )
            await patience.do(lambda: self._create_cluster(tenant_id))
        await patience.do(lambda: self._create_instance(tenant_id))
        failpoint("onboarding.follower_requested")
        await patience.until(lambda: self._available(identifier))

    async def remove(self, tenant_id: UUID, patience: Patience, *, keep_logs: bool) -> None:
        """Take both clusters out of the global database, remove it and the follower. The primary stays.

        Somebody else's cluster in the follower's place is left alone.
        """
        identifier = names.dedicated_cluster(tenant_id)
        try:
            await patience.do(lambda: self._cluster(tenant_id))
        except NotOurs as error:
            await patience.say(str(error))
        else:
            await patience.until(lambda: self._remove_follower(identifier))
            if not keep_logs:
                await patience.do(lambda: self._logs.remove(identifier))
        failpoint("onboarding.follower_gone")
        await patience.until(lambda: self._remove_global(identifier))

    async def _cluster(self, tenant_id: UUID) -> Any | None:
        """Return the follower if it is there. Raises `NotOurs` when it is somebody else's."""
        identifier = names.dedicated_cluster(tenant_id)
        return names.require_own(await self._secondary.cluster(identifier), tenant_id, region=self._secondary.region)

    async def _create_global(self, tenant_id: UUID, cluster_arn: str) -> None:
        try:
            await self._primary.request(
                "create_global_cluster",
                GlobalClusterIdentifier=names.dedicated_cluster(tenant_id),
                SourceDBClusterIdentifier=cluster_arn,
                Tags=names.tags(self._settings.model, tenant_id),
            )
        except AwsExists:
            return

    async def _create_cluster(self, tenant_id: UUID) -> None:
        wanted = requests.follower_cluster(self._settings, tenant_id, source_region=self._primary.region)
        try:
            await self._secondary.request("create_db_cluster", **wanted)
        except AwsExists:
            # Another process asked at the same moment, or an answer was lost.
            await self._cluster(tenant_id)

    async def _create_instance(self, tenant_id: UUID) -> None:
        wanted = requests.instance(
            self._settings, tenant_id, 0,
            zone=self._settings.secondary_zone, kms_key_id=self._settings.secondary_kms_key_id,
        )  # fmt: skip
        try:
            await self._secondary.request("create_db_instance", **wanted)
        except AwsExists:
            return

    async def _available(self, identifier: str) -> bool | str:
        instances = await self._secondary.instances(identifier)
        states = [each["DBInstanceStatus"] for each in instances]
        if states == ["available"]:
            return True
        return f"waiting for the follower in {self._secondary.region}: {', '.join(states) or 'not listed yet'}"

    async def _remove_follower(self, identifier: str) -> bool | str:
        cluster = await self._secondary.cluster(identifier)
        instances = await self._secondary.instances(identifier)
        if cluster is None and not instances:
            return True
        for each in instances:
            if each["DBInstanceStatus"] != "deleting":
                await self._delete(self._secondary, "delete_db_instance", DBInstanceIdentifier=identifier + "-0")
        if cluster is not None and cluster["Status"] != "deleting":
            if cluster.get("DeletionProtection"):
                await self._secondary.request(
                    "modify_db_cluster", DBClusterIdentifier=identifier, DeletionProtection=False, ApplyImmediately=True
                )
            await self._leave(identifier, cluster["DBClusterArn"])
            await self._delete(
                self._secondary, "delete_db_cluster", DBClusterIdentifier=identifier, SkipFinalSnapshot=True
            )
        return f"waiting for the end of the follower in {self._secondary.region}"

    async def _remove_global(self, identifier: str) -> bool | str:
        try:
            described = await self._primary.request("describe_global_clusters", GlobalClusterIdentifier=identifier)
        except AwsMissing:
            return True
        for member in described["GlobalClusters"][0].get("GlobalClusterMembers", []):
            await self._leave(identifier, member["DBClusterArn"])
        await self._delete(self._primary, "delete_global_cluster", GlobalClusterIdentifier=identifier)
        return "waiting for the end of the global database"

    async def _leave(self, identifier: str, cluster_arn: str) -> None:
        await self._delete(
            self._primary,
            "remove_from_global_cluster",
            GlobalClusterIdentifier=identifier,
            DbClusterIdentifier=cluster_arn,
        )

    @staticmethod
    async def _delete(rds: RdsApi, action: str, **parameters: Any) -> None:
        try:
            await rds.request(action, **parameters)
        except AwsMissing:
            return
