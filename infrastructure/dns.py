"""The public name, and what decides which region answers to it.

The secondary's record is healthy only when all of this holds: its gateway answers `/readyz` (which it does in the mode
`active` alone, a person's decision: docs/decisions/0009-mode-file.md), and its control and shared databases have
writers (they are promoted). The primary's is healthy while it answers and the secondary is not in that state: once
promoted, the secondary keeps the traffic, whatever the lost region does when it comes back. With neither healthy,
Route 53 answers with the primary. Nothing has to be changed in Route 53 during a fail-over, so that its control plane,
which stands in us-east-1, is not needed.

Amazon Application Recovery Controller would do the same with a switch of its own; its cluster costs 2.50 dollars an
hour, and the switch is here already: the mode.
"""

from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_route53 as route53
from constructs import Construct

from bezant.topology.model.deployment import Topology
from bezant.topology.model.edge import Edge
from bezant.topology.model.network import Region
from infrastructure.edge import READY_PATH, health_name
from infrastructure.promotion import alarm_name, gating_clusters

Config = route53.CfnHealthCheck.HealthCheckConfigProperty


class DnsStack(cdk.Stack):
    """Health checks and the two records of the public name. Made once, in the primary's region."""

    def __init__(
        self, scope: Construct, construct_id: str, *, topology: Topology, edge: Edge, topic_arn: str, **kwargs: Any
    ) -> None:
        super().__init__(scope, construct_id, **kwargs)
        self._domain, self._edge, self._topic_arn = str(topology.domain), edge, topic_arn
        self._zone = cdk.CfnParameter(
            self,
            "HostedZoneId",
            type="AWS::Route53::HostedZone::Id",
            description=f"The public hosted zone that holds {self._domain}",
        ).value_as_string
        primary, secondary = topology.primary, topology.secondary
        answers = self._answers(primary)
        if secondary is None:
            self._record(primary, answers, failover=None)
            return
        promoted = self._all_of(
            "Promoted",
            f"{secondary.name} answers and its databases take writes",
            [self._answers(secondary), *self._writers(secondary)],
        )
        not_promoted = self._all_of("NotPromoted", f"{secondary.name} has not taken over", [promoted], inverted=True)
        serves = self._all_of(
            "Serves", f"{primary.name} answers and {secondary.name} has not taken over", [answers, not_promoted]
        )
        self._record(primary, serves, failover="PRIMARY")
        self._record(secondary, promoted, failover="SECONDARY")

    def _check(self, name: str, description: str, config: route53.CfnHealthCheck.HealthCheckConfigProperty) -> str:
        check = route53.CfnHealthCheck(
            self,
            name,
            health_check_config=config,
            health_check_tags=[route53.CfnHealthCheck.HealthCheckTagProperty(key="Name", value=description)],
        )
        return check.attr_health_check_id

    def _answers(self, region: Region) -> str:
        asked = self._edge.health_checks
        answers = self._check(
            f"Answers-{region.name}",
            f"{region.name} answers {READY_PATH}",
            Config(
                type="HTTPS",
                fully_qualified_domain_name=health_name(self._domain, region.name),
                resource_path=READY_PATH,
                port=443,
                enable_sni=True,
                request_interval=asked.interval_seconds,
                failure_threshold=asked.failure_threshold,
                measure_latency=True,
            ),
        )
        if region.role == "primary":
            self._call("region-lost", f"{region.name} does not answer {READY_PATH}", answers)
        return answers

    def _call(self, name: str, says: str, health_check: str) -> None:
        """Call somebody while a health check is unhealthy. Route 53 reports to CloudWatch in us-east-1 alone."""
        cloudwatch.CfnAlarm(
            self,
            f"Alarm-{name}",
            alarm_name=f"bezant-{name}",
            alarm_description=says,
            namespace="AWS/Route53",
            metric_name="HealthCheckStatus",
            dimensions=[cloudwatch.CfnAlarm.DimensionProperty(name="HealthCheckId", value=health_check)],
            statistic="Minimum",
            period=60,
            evaluation_periods=2,
            threshold=1,
            comparison_operator="LessThanThreshold",
            treat_missing_data="breaching",
            alarm_actions=[self._topic_arn],
            ok_actions=[self._topic_arn],
        )

    def _writers(self, region: Region) -> list[str]:
        return [
            self._check(
                f"Writer-{cluster}",
                f"{cluster} takes writes in {region.name}",
                Config(
                    type="CLOUDWATCH_METRIC",
                    alarm_identifier=route53.CfnHealthCheck.AlarmIdentifierProperty(
                        region=region.name, name=alarm_name(region, cluster)
                    ),
                    insufficient_data_health_status="Unhealthy",
                ),
            )
            for cluster in gating_clusters(region)
        ]

    def _all_of(self, name: str, description: str, children: list[str], *, inverted: bool = False) -> str:
        """Return a check that is healthy when all children are; `inverted`: when not all of them are."""
        return self._check(
            name,
            description,
            Config(
                type="CALCULATED",
                child_health_checks=children,
                health_threshold=len(children),
                inverted=inverted,
            ),
        )

    def _record(self, region: Region, health_check: str, *, failover: str | None) -> None:
        route53.CfnRecordSet(
            self,
            f"Name-{region.name}",
            hosted_zone_id=self._zone,
            name=f"{self._domain}.",
            type="A",
            failover=failover,
            set_identifier=None if failover is None else region.name,
            health_check_id=None if failover is None else health_check,
            # a name in the same zone, so that no ALB of another region has to be known here
            alias_target=route53.CfnRecordSet.AliasTargetProperty(
                dns_name=f"{health_name(self._domain, region.name)}.",
                hosted_zone_id=self._zone,
                evaluate_target_health=False,
            ),
        )
