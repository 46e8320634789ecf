"""Is there room in the account for another cluster? Asked before anything is made.

Source: https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_DescribeAccountAttributes.html
"""

from bezant.services.tenant.provisioning.aurora.failures import QuotaExceeded
from bezant.services.tenant.provisioning.aurora.rds_api import RdsApi


async def require_room(rds: RdsApi, *, clusters: int, instances: int) -> None:
    """Raise `QuotaExceeded` when so many more do not fit."""
    answer = await rds.request("describe_account_attributes")
    quotas = {quota["AccountQuotaName"]: quota for quota in answer["AccountQuotas"]}
    lacking = []
    for name, wanted in (("DBClusters", clusters), ("DBInstances", instances)):
        quota = quotas.get(name)
        if quota is not None and quota["Used"] + wanted > quota["Max"]:
            lacking.append(f"{quota['Used']} of {quota['Max']} {name} are used and {wanted} more are needed")
    if lacking:
        raise QuotaExceeded(
            f"the AWS account's quotas in {rds.region} have no room: {'; '.join(lacking)}. Ask for more in Service "
            "Quotas (Amazon RDS) or remove what `bezant admin orphans` lists, then onboard again"
        )
