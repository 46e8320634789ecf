"""The Aurora provisioner: tenant databases on the region's shared clusters, or on a cluster of the tenant's own."""

from pathlib import Path
from typing import Any, Final
from uuid import UUID

from bezant.foundation.control.cluster import template_name
from bezant.foundation.control.database import ControlDatabase
from bezant.foundation.failpoints import failpoint
from bezant.foundation.secrets import SecretStore
from bezant.foundation.settings import Settings
from bezant.services.tenant.provisioning.aurora import names
from bezant.services.tenant.provisioning.aurora.assignments import QUERIES, Assignment, Assignments
from bezant.services.tenant.provisioning.aurora.dedicated import DedicatedClusters
from bezant.services.tenant.provisioning.aurora.failures import AwsBusy, AwsMissing, NoSharedCluster, WrongRegion
from bezant.services.tenant.provisioning.aurora.follower import Follower
from bezant.services.tenant.provisioning.aurora.listing import list_resources
from bezant.services.tenant.provisioning.aurora.log_groups import LogGroups
from bezant.services.tenant.provisioning.aurora.patience import Patience
from bezant.services.tenant.provisioning.aurora.preparing import prepare_cluster
from bezant.services.tenant.provisioning.aurora.rds_api import RdsApi
from bezant.services.tenant.provisioning.aurora.settings import AuroraSettings
from bezant.services.tenant.provisioning.cluster_databases import ClusterDatabases, database_name
from bezant.services.tenant.provisioning.export import Manifest
from bezant.services.tenant.provisioning.inventory import Resource
from bezant.services.tenant.provisioning.provisioner import Placement, Report

# An empty database of the cluster's own locale; the migrations follow in their step.
_EMPTY: Final = "template1"
_SHARED_SECONDS: Final = 60.0
_USABLE: Final = frozenset({"available", "backing-up", "modifying"})


class AuroraProvisioner:
    """Provisioner on Aurora clusters of one region."""

    def __init__(
        self, settings: Settings, aurora: AuroraSettings, control: ControlDatabase, secrets: SecretStore
    ) -> None:
        """Raises `WrongRegion` when the settings name no region, or zones of another one."""
        region = settings.aws_region
        if not region or not all(zone.startswith(region) for zone in aurora.zone_names):
            raise WrongRegion(
                f"BEZANT_AURORA_ZONES ({aurora.zones}) have to be zones of BEZANT_AWS_REGION ({region or 'not set'})"
            )
        self._settings, self._aurora, self._secrets = settings, aurora, secrets
        self._region = region
        self._control = control
        self._assignments = Assignments(control, region=region)
        at: dict[str, Any] = {"endpoint_url": settings.aws_endpoint_url, "attempts": aurora.api_attempts}
        self._rds = RdsApi(region=region, **at)
        self._secondary = RdsApi(region=aurora.secondary_region, **at) if aurora.secondary_region else None
        follower = None
        if self._secondary is not None:
            logs = LogGroups(region=aurora.secondary_region, **at)
            follower = Follower(aurora, primary=self._rds, secondary=self._secondary, logs=logs)
        self._dedicated = DedicatedClusters(
            aurora, self._rds, LogGroups(region=region, **at), secrets, follower=follower
        )

    async def provision_database(self, tenant_id: UUID, *, tier: str, report: Report) -> Placement:
        """See `Provisioner`."""
        assigned = await self._assignments.find(tenant_id)
        if assigned is None:
            await self._assign(tenant_id, tier, report)
            assigned = await self._assignments.find(tenant_id)
        assert assigned is not None
        failpoint("onboarding.cluster_assigned")
        self._require_region(assigned)
        if assigned.tier == "dedicated":
            # The time runs from the assignment, so that crashes do not give it again and again.
            seconds = max(0.0, self._aurora.create_timeout_seconds - assigned.age_seconds)
            patience = Patience(self._aurora, report, seconds=seconds, doing=f"making the cluster {assigned.cluster}")
            cluster = await self._dedicated.create(tenant_id, patience)
        else:
            patience = Patience(self._aurora, report, seconds=_SHARED_SECONDS, doing="making the database")
            cluster = await patience.do(lambda: self._existing(assigned.cluster))
        databases = self._databases_at(cluster)
        shared = assigned.tier == "shared"
        await patience.say(f"making the database on {assigned.cluster}")
        await patience.do(lambda: prepare_cluster(databases, self._secrets, assigned.cluster, template=shared))
        failpoint("onboarding.cluster_prepared")
        template = template_name() if shared else _EMPTY
        await patience.do(lambda: databases.create_database(tenant_id, template=template))
        return Placement(
            cluster["Endpoint"], cluster["Port"], cluster.get("ReaderEndpoint") or cluster["Endpoint"],
            cluster["Port"], database_name(tenant_id),
        )  # fmt: skip

    async def run_migrations(self, placement: Placement) -> list[str]:
        """See `Provisioner`."""
        databases = ClusterDatabases(
            self._settings, self._secrets, host=placement.writer_host, port=placement.writer_port
        )
        return await databases.run_migrations(placement.database_name)

    async def create_roles(self, tenant_id: UUID, *, slot: str) -> None:
        """See `Provisioner`."""
        await (await self._databases(tenant_id)).create_roles(tenant_id, slot=slot)

    async def set_password(self, tenant_id: UUID, schema: str, *, slot: str, password: str) -> str:
        """See `Provisioner`."""
        databases = await self._databases(tenant_id)
        return await databases.set_password(tenant_id, schema, slot=slot, password=password)

    async def retire_roles(self, tenant_id: UUID, *, slot: str) -> None:
        """See `Provisioner`."""
        await (await self._databases(tenant_id)).retire_roles(tenant_id, slot=slot)

    async def drop_roles(self, tenant_id: UUID) -> None:
        """See `Provisioner`. Roles end with the cluster that they are on."""
        databases = await self._databases_left(tenant_id)
        if databases is not None:
            await databases.drop_roles(tenant_id)

    async def export_database(self, tenant_id: UUID, placement: Placement, directory: Path) -> Manifest | None:
        """See `Provisioner`."""
        databases = await self._databases_left(tenant_id)
        return None if databases is None else await databases.export_database(tenant_id, directory)

    async def drop_database(self, tenant_id: UUID, *, final_snapshot: bool, report: Report) -> None:
        """See `Provisioner`. A dedicated cluster goes as a whole."""
        assigned = await self._assignments.find(tenant_id)
        if assigned is None:
            return
        self._require_region(assigned)
        if assigned.tier == "dedicated":
            seconds = self._aurora.delete_timeout_seconds
            patience = Patience(self._aurora, report, seconds=seconds, doing=f"removing the cluster {assigned.cluster}")
            await self._dedicated.remove(tenant_id, patience, final_snapshot=final_snapshot)
        elif (databases := await self._databases_left(tenant_id)) is not None:
            await databases.drop_database(tenant_id)

    async def remove_final_snapshot(self, tenant_id: UUID) -> None:
        """See `Provisioner`."""
        try:
            await self._rds.request(
                "delete_db_cluster_snapshot", DBClusterSnapshotIdentifier=names.final_snapshot(tenant_id)
            )
        except AwsMissing:
            return

    async def inventory(self) -> list[Resource]:
        """See `Provisioner`. Databases on shared clusters of the region, and all that was made in both regions."""
        found = await list_resources(self._rds, model=self._aurora.model)
        if self._secondary is not None:
            found += await list_resources(self._secondary, model=self._aurora.model)
        for cluster in await self._shared_clusters():
            sizes = await self._databases_at(cluster).sizes()
            found += [
                Resource(
                    kind="database", name=database_name(tenant_id), tenant_id=tenant_id, bytes=size,
                    region=self._region, cluster=cluster["DBClusterIdentifier"],
                )
                for tenant_id, size in sizes
            ]  # fmt: skip
        return found

    async def _assign(self, tenant_id: UUID, tier: str, report: Report) -> None:
        if tier == "dedicated":
            await self._assignments.assign_dedicated(tenant_id)
            return
        patience = Patience(self._aurora, report, seconds=_SHARED_SECONDS, doing="looking for a shared cluster")
        clusters = await patience.do(self._shared_clusters)
        if not clusters:
            raise NoSharedCluster(
                f"no cluster in {self._region} has the tags {names.MODEL_TAG}={self._aurora.model} "
                f"and {names.TIER_TAG}=shared: deploy the databases of the region, or check BEZANT_AWS_REGION and "
                "BEZANT_AURORA_MODEL, then onboard again"
            )
        await self._assignments.assign_shared(
            tenant_id, {cluster["DBClusterIdentifier"]: self._capacity(cluster) for cluster in clusters}
        )

    async def _shared_clusters(self) -> list[Any]:
        clusters = await self._rds.all("describe_db_clusters", "DBClusters")
        wanted = {names.MODEL_TAG: self._aurora.model, names.TIER_TAG: "shared"}
        ours = [cluster for cluster in clusters if wanted.items() <= names.tag_values(cluster).items()]
        usable = [cluster for cluster in ours if cluster["Status"] in _USABLE]
        if ours and not usable:
            states = ", ".join(f"{each['DBClusterIdentifier']} is {each['Status']}" for each in ours)
            raise AwsBusy(f"no shared cluster of {self._region} can be used now: {states}")
        return usable

    def _capacity(self, cluster: Any) -> int:
        stated = names.tag_values(cluster).get(names.TENANTS_TAG, "")
        return int(stated) if stated.isdecimal() else self._aurora.tenants_per_cluster

    def _require_region(self, assigned: Assignment) -> None:
        if assigned.region != self._region:
            raise WrongRegion(
                f"the cluster {assigned.cluster} is in {assigned.region} and this process works in {self._region}: "
                f"let a tenant service of {assigned.region} carry the operation on"
            )

    async def _existing(self, identifier: str) -> Any:
        cluster = await self._rds.cluster(identifier)
        if cluster is None:
            raise AwsMissing(f"there is no cluster {identifier} in {self._region}")
        return cluster

    async def _databases(self, tenant_id: UUID) -> ClusterDatabases:
        """Return the databases of the cluster that the tenant is on. Raises `LookupError`."""
        assigned = await self._assignments.find(tenant_id)
        if assigned is None:
            raise LookupError(f"tenant {tenant_id} is on no cluster")
        row = await self._control.fetch_one(QUERIES["get_placement"], {"tenant_id": tenant_id})
        if row is not None:
            # Known since it was provisioned: AWS throttles who asks again and again.
            return ClusterDatabases(self._settings, self._secrets, host=row[0], port=row[1])
        self._require_region(assigned)
        return self._databases_at(await self._existing(assigned.cluster))

    async def _databases_left(self, tenant_id: UUID) -> ClusterDatabases | None:
        """Return the same, None when nothing was begun or the cluster is gone."""
        assigned = await self._assignments.find(tenant_id)
        if assigned is None:
            return None
        self._require_region(assigned)
        cluster = await self._rds.cluster(assigned.cluster)
        if cluster is None or cluster["Status"] == "deleting":
            return None
        if assigned.tier == "dedicated" and names.tag_values(cluster).get(names.TENANT_TAG) != str(tenant_id):
            # Somebody else's cluster of that name: nothing of ours is on it, and nobody is to get our password.
            return None
        return self._databases_at(cluster)

    def _databases_at(self, cluster: Any) -> ClusterDatabases:
        return ClusterDatabases(self._settings, self._secrets, host=cluster["Endpoint"], port=cluster["Port"])
