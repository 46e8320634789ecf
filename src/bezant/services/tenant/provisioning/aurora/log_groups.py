"""The log groups of tenants' own clusters, made before the clusters.

RDS makes a group that it does not find: in plain, and without an end. It is left behind when its cluster goes, so that
whoever asks later what happened in a closed tenant's database finds it; its entries end by themselves.
"""

import contextlib

from bezant.services.tenant.provisioning.aurora.aws_api import AwsApi
from bezant.services.tenant.provisioning.aurora.failures import AwsExists, AwsMissing


def log_group(cluster: str) -> str:
    """Return the name of the group that RDS writes a cluster's log to."""
    return f"/aws/rds/cluster/{cluster}/postgresql"


class LogGroups(AwsApi):
    """CloudWatch Logs in one region."""

    def __init__(self, *, region: str, endpoint_url: str | None, attempts: int) -> None:
        super().__init__("logs", region=region, endpoint_url=endpoint_url, attempts=attempts)

    async def prepare(self, cluster: str, *, days: int, kms_key_id: str) -> None:
        """Make the group of a cluster that is to be made, encrypted if there is a key, with an end after `days`."""
        encrypted = {"kmsKeyId": kms_key_id} if kms_key_id else {}
        # An earlier attempt may have got this far.
        with contextlib.suppress(AwsExists):
            await self.request("create_log_group", logGroupName=log_group(cluster), **encrypted)
        await self.request("put_retention_policy", logGroupName=log_group(cluster), retentionInDays=days)

    async def remove(self, cluster: str) -> None:
        """Remove the group with all that is in it; nothing to remove is not an error."""
        try:
            await self.request("delete_log_group", logGroupName=log_group(cluster))
        except AwsMissing:
            return
