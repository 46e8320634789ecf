"""What the controllers in the cluster may do: read what they need to see, change only what is the cluster's."""

from typing import Final

from bezant.topology.model.network import KubernetesCluster
from infrastructure.roles import Arns, Statement
from infrastructure.spot import on_spot, queue_name

SYSTEM: Final = "kube-system"
TARGET_GROUP: Final = "bezant-gateway"
OWNED_TAG: Final = "k8s.io/cluster-autoscaler"
AUTOSCALER: Final = (SYSTEM, "cluster-autoscaler")
LOAD_BALANCER: Final = (SYSTEM, "aws-load-balancer-controller")
TERMINATION: Final = (SYSTEM, "aws-node-termination-handler")


def controllers(cluster: KubernetesCluster, arns: Arns) -> dict[tuple[str, str], list[Statement]]:
    """Return the statements of each controller's service account."""
    found: dict[tuple[str, str], list[Statement]] = {
        LOAD_BALANCER: _load_balancer(arns),
        AUTOSCALER: _autoscaler(cluster, arns),
    }
    if on_spot(cluster):
        found[TERMINATION] = _termination(cluster, arns)
    return found


def _look(*actions: str) -> Statement:
    """Allow reading actions, which know no resources."""
    return {"Effect": "Allow", "Action": list(actions), "Resource": "*"}


def _load_balancer(arns: Arns) -> list[Statement]:
    """Register and remove pods at one target group: the load balancer itself belongs to the edge stack."""
    return [
        _look(
            "ec2:DescribeAvailabilityZones", "ec2:DescribeInstances", "ec2:DescribeNetworkInterfaces",
            "ec2:DescribeSecurityGroups", "ec2:DescribeSubnets", "ec2:DescribeVpcs",
            "elasticloadbalancing:DescribeTags", "elasticloadbalancing:DescribeTargetGroups",
            "elasticloadbalancing:DescribeTargetHealth",
        ),
        {
            "Effect": "Allow",
            "Action": ["elasticloadbalancing:RegisterTargets", "elasticloadbalancing:DeregisterTargets"],
            "Resource": [arns.of("elasticloadbalancing", f"targetgroup/{TARGET_GROUP}/*")],
        },
    ]  # fmt: skip


def _autoscaler(cluster: KubernetesCluster, arns: Arns) -> list[Statement]:
    """Grow and shrink the groups that EKS has tagged as this cluster's, no others."""
    return [
        _look(
            "autoscaling:DescribeAutoScalingGroups", "autoscaling:DescribeAutoScalingInstances",
            "autoscaling:DescribeLaunchConfigurations", "autoscaling:DescribeScalingActivities",
            "autoscaling:DescribeTags", "ec2:DescribeImages", "ec2:DescribeInstanceTypes",
            "ec2:DescribeLaunchTemplateVersions", "ec2:GetInstanceTypesFromInstanceRequirements",
        ),
        {
            "Effect": "Allow",
            "Action": ["eks:DescribeNodegroup"],
            "Resource": [arns.of("eks", f"nodegroup/{cluster.name}/*")],
        },
        {
            "Effect": "Allow",
            "Action": ["autoscaling:SetDesiredCapacity", "autoscaling:TerminateInstanceInAutoScalingGroup"],
            "Resource": [arns.of("autoscaling", "autoScalingGroup:*:autoScalingGroupName/eks-*")],
            "Condition": {"StringEquals": {f"autoscaling:ResourceTag/{OWNED_TAG}/{cluster.name}": "owned"}},
        },
    ]  # fmt: skip


def _termination(cluster: KubernetesCluster, arns: Arns) -> list[Statement]:
    """Read the queue of interruptions and say when a node is drained."""
    return [
        _look("autoscaling:DescribeAutoScalingInstances", "autoscaling:DescribeTags", "ec2:DescribeInstances"),
        {
            "Effect": "Allow",
            "Action": ["sqs:ReceiveMessage", "sqs:DeleteMessage"],
            "Resource": [arns.of("sqs", queue_name(cluster))],
        },
        {
            "Effect": "Allow",
            "Action": ["autoscaling:CompleteLifecycleAction"],
            "Resource": [arns.of("autoscaling", "autoScalingGroup:*:autoScalingGroupName/eks-*")],
        },
    ]
