"""Whether a region's databases take writes, as alarms that Route 53 can ask.

Aurora reports `DatabaseConnections` of a cluster with the dimension Role=WRITER only where an instance writes: in the
secondary of a global database every instance is a reader, so that there is no sample until it is promoted. Route 53
asks an alarm's data by itself and knows neither metric arithmetic nor composite alarms
(https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/health-checks-creating-values.html): hence one alarm for each
cluster, and a sum of them there.
"""

from collections.abc import Iterator

from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from bezant.topology.model.network import Region
from infrastructure.accepted import accept
from infrastructure.aurora import made_clusters


def gating_clusters(region: Region) -> Iterator[str]:
    """Return the clusters without which a region cannot serve.

    The control database and the shared clusters. A dedicated one is one tenant's: its late promotion must not keep the
    other tenants' requests in a region that is lost.
    """
    yield from (name for tier, name in made_clusters(region) if tier.tier != "dedicated")


def alarm_name(region: Region, cluster: str) -> str:
    """Return the alarm's name, by which Route 53 finds it from another region."""
    return f"{region.cluster.name}-no-writer-{cluster}"


def promotion_alarms(scope: Construct, region: Region, topic_arn: str) -> list[cloudwatch.CfnAlarm]:
    """Return an alarm for each cluster: in alarm, also without data, as long as none of its instances writes.

    Where databases are copies that is how it should be, and nobody is called.
    """
    primary = region.role == "primary"
    alarms = [
        cloudwatch.CfnAlarm(
            scope,
            f"NoWriter-{cluster}",
            alarm_name=alarm_name(region, cluster),
            alarm_description=f"{cluster} has no writer in {region.name}: not promoted here, or failing over",
            namespace="AWS/RDS",
            metric_name="DatabaseConnections",
            dimensions=[
                cloudwatch.CfnAlarm.DimensionProperty(name="DBClusterIdentifier", value=cluster),
                cloudwatch.CfnAlarm.DimensionProperty(name="Role", value="WRITER"),
            ],
            statistic="SampleCount",
            period=60,
            # longer than a fail-over within the region, which is no reason to leave it
            evaluation_periods=3,
            threshold=1,
            comparison_operator="LessThanThreshold",
            treat_missing_data="breaching",
            alarm_actions=[topic_arn] if primary else None,
        )
        for cluster in gating_clusters(region)
    ]
    for alarm in () if primary else alarms:
        accept(alarm, "a copy has no writer, and Route 53 alone asks", "NIST.800.53.R5-CloudWatchAlarmAction")
    return alarms
