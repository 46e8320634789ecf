"""What was made in a region for tenants: clusters, their instances, global clusters and final snapshots."""

from bezant.services.tenant.provisioning.aurora import names
from bezant.services.tenant.provisioning.aurora.rds_api import RdsApi
from bezant.services.tenant.provisioning.inventory import Resource


async def list_resources(rds: RdsApi, *, model: str) -> list[Resource]:
    """Return everything in the region that has the name of a tenant's; what other models made is left out."""
    found = []
    for cluster in await rds.all("describe_db_clusters", "DBClusters"):
        tenant_id = names.tenant_of(cluster["DBClusterIdentifier"])
        if tenant_id is not None and names.tag_values(cluster).get(names.MODEL_TAG, model) == model:
            size = cluster.get("AllocatedStorage")
            found.append(
                Resource(
                    kind="cluster", name=cluster["DBClusterIdentifier"], tenant_id=tenant_id, region=rds.region,
                    # 1 means "grows by itself": what is billed is not in this answer
                    bytes=None if size in (None, 1) else size * 1024**3,
                )
            )  # fmt: skip
    for instance in await rds.all("describe_db_instances", "DBInstances"):
        tenant_id = names.tenant_of(instance["DBInstanceIdentifier"])
        if tenant_id is not None and names.tag_values(instance).get(names.MODEL_TAG, model) == model:
            found.append(
                Resource(
                    kind="instance", name=instance["DBInstanceIdentifier"], tenant_id=tenant_id, region=rds.region,
                    cluster=instance.get("DBClusterIdentifier"), instance_class=instance["DBInstanceClass"],
                )
            )  # fmt: skip
    for global_cluster in await rds.all("describe_global_clusters", "GlobalClusters"):
        tenant_id = names.tenant_of(global_cluster["GlobalClusterIdentifier"])
        if tenant_id is not None and names.tag_values(global_cluster).get(names.MODEL_TAG, model) == model:
            found.append(
                Resource(
                    kind="global_cluster", name=global_cluster["GlobalClusterIdentifier"], tenant_id=tenant_id,
                    region=rds.region,
                )
            )  # fmt: skip
    for snapshot in await rds.all("describe_db_cluster_snapshots", "DBClusterSnapshots", SnapshotType="manual"):
        tenant_id = names.tenant_of(snapshot["DBClusterSnapshotIdentifier"])
        if tenant_id is not None and names.tag_values(snapshot).get(names.MODEL_TAG, model) == model:
            size = snapshot.get("AllocatedStorage")
            found.append(
                Resource(
                    kind="snapshot", name=snapshot["DBClusterSnapshotIdentifier"], tenant_id=tenant_id,
                    region=rds.region, bytes=None if size in (None, 0, 1) else size * 1024**3,
                )
            )  # fmt: skip
    return found
