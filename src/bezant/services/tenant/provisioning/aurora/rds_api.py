"""The RDS API of one region.

Source: https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/.
"""

from typing import Any

from bezant.services.tenant.provisioning.aurora.aws_api import AwsApi
from bezant.services.tenant.provisioning.aurora.failures import AwsMissing


class RdsApi(AwsApi):
    """RDS in one region."""

    def __init__(self, *, region: str, endpoint_url: str | None, attempts: int) -> None:
        super().__init__("rds", region=region, endpoint_url=endpoint_url, attempts=attempts)

    async def cluster(self, identifier: str) -> Any | None:
        """Return a cluster, None if there is none."""
        try:
            return (await self.request("describe_db_clusters", DBClusterIdentifier=identifier))["DBClusters"][0]
        except AwsMissing:
            return None

    async def instances(self, cluster: str) -> list[Any]:
        """Return the instances of a cluster."""
        # Asked for by the filter: the cluster's own list lacks those that are just being made.
        by_cluster = [{"Name": "db-cluster-id", "Values": [cluster]}]
        try:
            found = await self.all("describe_db_instances", "DBInstances", Filters=by_cluster)
        except AwsMissing:
            return []
        return [instance for instance in found if instance.get("DBClusterIdentifier") == cluster]
