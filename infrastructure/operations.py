"""What calls somebody: the topic, the alarms of a region, its log groups, and the budget of the account."""

from typing import Any, Final

import aws_cdk as cdk
from aws_cdk import aws_budgets as budgets
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sns as sns
from constructs import Construct

from bezant.topology.model.deployment import Topology
from bezant.topology.model.network import Region
from bezant.topology.model.observability import Observability
from infrastructure.alarms import (
    MINUTE,
    Alarm,
    broker_alarms,
    cache_alarms,
    database_alarms,
    load_balancer_alarms,
    node_alarms,
)
from infrastructure.edge import EdgeStack
from infrastructure.encryption import encryption_key
from infrastructure.splunk import forward_to_splunk

PUBLISHERS: Final = ("cloudwatch", "backup", "budgets")
CONTAINER_INSIGHTS: Final = ("application", "dataplane", "host", "performance")


class TopicStack(cdk.Stack):
    """Where alarms, failed backups and the budget are sent; subscribe whoever is on call."""

    def __init__(self, scope: Construct, construct_id: str, *, region: Region, **kwargs: Any) -> None:
        super().__init__(scope, construct_id, **kwargs)
        key = encryption_key(self, "Key", "alarms on their way", publishers=PUBLISHERS)
        topic = sns.CfnTopic(
            self, "Topic", topic_name=f"{region.cluster.name}-operations", kms_master_key_id=key.key_arn
        )
        self.topic_arn = topic.ref
        sns.CfnTopicPolicy(
            self,
            "TopicPolicy",
            topics=[topic.ref],
            policy_document={
                "Version": "2012-10-17",
                "Statement": [
                    {
                        "Sid": "Publishers",
                        "Effect": "Allow",
                        "Principal": {"Service": [f"{one}.amazonaws.com" for one in PUBLISHERS]},
                        "Action": "sns:Publish",
                        "Resource": topic.ref,
                        "Condition": {"StringEquals": {"aws:SourceAccount": self.account}},
                    },
                    {
                        "Sid": "TlsAlone",
                        "Effect": "Deny",
                        "Principal": "*",
                        "Action": "sns:Publish",
                        "Resource": topic.ref,
                        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
                    },
                ],
            },
        )
        cdk.CfnOutput(self, "TopicArn", value=topic.ref, description="aws sns subscribe --topic-arn ...")


class OperationsStack(cdk.Stack):
    """A region's alarms and log groups; the budget stands in the primary's."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        topology: Topology,
        observability: Observability,
        region: Region,
        edge: EdgeStack,
        topic_arn: str,
        **kwargs: Any,
    ) -> None:
        super().__init__(scope, construct_id, **kwargs)
        self._topology, self._observability, self._region = topology, observability, region
        self._topic_arn = topic_arn
        self.key = encryption_key(self, "Key", "logs of the pods", also_for=("logs",))
        self._alarms(edge)
        groups = self._log_groups()
        if observability.splunk is not None:
            forward_to_splunk(self, observability.splunk, groups, name=region.cluster.name)
        if region.role == "primary" and topology.statements.monthly_budget is not None:
            self._budget(topology.statements.monthly_budget)

    def _alarms(self, edge: EdgeStack) -> None:
        topology, region, bounds = self._topology, self._region, self._observability.alarms
        analysis = next(one.canary.analysis for one in topology.services if one.canary is not None)
        found = [
            *load_balancer_alarms(
                topology,
                region,
                balancer=edge.balancer.attr_load_balancer_full_name,
                targets=edge.targets.attr_target_group_full_name,
                analysis=analysis,
            ),
            *database_alarms(topology, region, bounds),
            *(cache_alarms(region.valkey, bounds, group=region.cluster.name) if region.valkey else ()),
            *(broker_alarms(region.kafka, bounds, cluster=region.cluster.name) if region.kafka else ()),
            *node_alarms(region),
        ]
        for alarm in found:
            self._alarm(alarm)

    def _alarm(self, alarm: Alarm) -> None:
        dimensions = [
            cloudwatch.CfnAlarm.DimensionProperty(name=name, value=value) for name, value in alarm.dimensions.items()
        ]
        what: dict[str, Any] = {"metrics": self._share(alarm, dimensions)}
        if not alarm.sums:
            percentile = alarm.statistic.startswith("p")
            what = {
                "namespace": alarm.namespace,
                "metric_name": alarm.metric,
                "dimensions": dimensions,
                "period": MINUTE,
                "extended_statistic" if percentile else "statistic": alarm.statistic,
            }
        cloudwatch.CfnAlarm(
            self,
            f"Alarm-{alarm.name}",
            alarm_name=f"{self._region.cluster.name}-{alarm.name}",
            alarm_description=alarm.says,
            comparison_operator="LessThanThreshold" if alarm.below else "GreaterThanThreshold",
            threshold=alarm.threshold,
            evaluation_periods=alarm.minutes,
            datapoints_to_alarm=max(1, alarm.minutes * 4 // 5),
            treat_missing_data=alarm.missing,
            alarm_actions=[self._topic_arn],
            ok_actions=[self._topic_arn],
            **what,
        )

    @staticmethod
    def _share(
        alarm: Alarm, dimensions: list[cloudwatch.CfnAlarm.DimensionProperty]
    ) -> list[cloudwatch.CfnAlarm.MetricDataQueryProperty]:
        """Return the sum of `sums` as per cent of `per`; a count that AWS does not report is 0."""
        query = cloudwatch.CfnAlarm.MetricDataQueryProperty
        names = [*alarm.sums, str(alarm.per)]
        counts = [
            query(
                id=f"m{number}",
                return_data=False,
                metric_stat=cloudwatch.CfnAlarm.MetricStatProperty(
                    metric=cloudwatch.CfnAlarm.MetricProperty(
                        namespace=alarm.namespace, metric_name=name, dimensions=dimensions
                    ),
                    period=MINUTE,
                    stat="Sum",
                ),
            )
            for number, name in enumerate(names)
        ]
        above = " + ".join(f"FILL(m{number}, 0)" for number in range(len(alarm.sums)))
        share = query(id="share", expression=f"100 * ({above}) / m{len(alarm.sums)}", return_data=True)
        return [*counts, share]

    def _log_groups(self) -> list[logs.CfnLogGroup]:
        """Return the groups that the log collector writes to; Container Insights' own besides."""
        name = self._region.cluster.name
        own = [f"/bezant/{name}", *(f"/bezant/{name}/{service.name}" for service in self._topology.services)]
        for part in CONTAINER_INSIGHTS:
            self._log_group(f"Insights-{part}", f"/aws/containerinsights/{name}/{part}")
        return [self._log_group(f"Logs-{one.rpartition('/')[2]}", one) for one in own]

    def _log_group(self, construct_id: str, name: str) -> logs.CfnLogGroup:
        return logs.CfnLogGroup(
            self,
            construct_id,
            log_group_name=name,
            retention_in_days=self._observability.log_retention_days,
            kms_key_id=self.key.key_arn,
        )

    def _budget(self, monthly_dollars: float) -> None:
        notify = budgets.CfnBudget
        subscriber = notify.SubscriberProperty(subscription_type="SNS", address=self._topic_arn)
        budgets.CfnBudget(
            self,
            "Budget",
            budget=notify.BudgetDataProperty(
                budget_name=f"{self._region.cluster.name}-monthly",
                budget_type="COST",
                time_unit="MONTHLY",
                budget_limit=notify.SpendProperty(amount=monthly_dollars, unit="USD"),
            ),
            notifications_with_subscribers=[
                notify.NotificationWithSubscribersProperty(
                    notification=notify.NotificationProperty(
                        notification_type=kind,
                        comparison_operator="GREATER_THAN",
                        threshold=percent,
                        threshold_type="PERCENTAGE",
                    ),
                    subscribers=[subscriber],
                )
                for kind, percent in (("ACTUAL", 80), ("ACTUAL", 100), ("FORECASTED", 100))
            ],
        )
