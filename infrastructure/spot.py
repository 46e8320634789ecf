"""Warning of Spot interruptions: EventBridge puts EC2's notices into a queue that the node termination handler reads.

A managed node group drains its own Spot nodes; the handler also drains for rebalancing recommendations of others,
scheduled maintenance and state changes. Made only where the model has a group on Spot.
"""

from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_events as events
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from bezant.topology.model.network import KubernetesCluster

NOTICES: Final = {
    "interruption": ("aws.ec2", "EC2 Spot Instance Interruption Warning"),
    "rebalance": ("aws.ec2", "EC2 Instance Rebalance Recommendation"),
    "state": ("aws.ec2", "EC2 Instance State-change Notification"),
    "maintenance": ("aws.health", "AWS Health Event"),
}
KEPT_SECONDS: Final = 300
"""A notice of two minutes is of no use after five."""


def on_spot(cluster: KubernetesCluster) -> bool:
    """Return whether any group of the cluster is on Spot."""
    return any(group.capacity == "spot" for group in cluster.node_groups)


def queue_name(cluster: KubernetesCluster) -> str:
    """Return the queue's name, which the handler's settings and its role name as well."""
    return f"{cluster.name}-interruptions"


def interruptions(scope: Construct, cluster: KubernetesCluster) -> sqs.CfnQueue:
    """Return the queue of notices. EventBridge alone may write to it."""
    queue = sqs.CfnQueue(
        scope,
        "Interruptions",
        queue_name=queue_name(cluster),
        message_retention_period=KEPT_SECONDS,
        sqs_managed_sse_enabled=True,
    )
    rules = [
        events.CfnRule(
            scope,
            f"Interruptions-{name}",
            description=f"{detail}, for the nodes of {cluster.name}",
            event_pattern={"source": [source], "detail-type": [detail]},
            targets=[events.CfnRule.TargetProperty(arn=queue.attr_arn, id="queue")],
        )
        for name, (source, detail) in NOTICES.items()
    ]
    sqs.CfnQueuePolicy(
        scope,
        "InterruptionsPolicy",
        queues=[queue.ref],
        policy_document={
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Principal": {"Service": "events.amazonaws.com"},
                    "Action": "sqs:SendMessage",
                    "Resource": queue.attr_arn,
                    "Condition": {"ArnEquals": {"aws:SourceArn": [rule.attr_arn for rule in rules]}},
                },
                {
                    "Effect": "Deny",
                    "Principal": "*",
                    "Action": "sqs:*",
                    "Resource": queue.attr_arn,
                    "Condition": {"Bool": {"aws:SecureTransport": "false"}},
                },
            ],
        },
    )
    cdk.CfnOutput(scope, "InterruptionQueue", value=queue.ref, description="queueURL of the node termination handler")
    return queue
