"""Everything in the templates that AWS bills has a line in the bill, or a stated reason why it has none."""

from collections.abc import Iterator, Mapping
from typing import Final

from bezant.topology.cost.bill import make_bill
from bezant.topology.model.deployment import Topology

from .templates import Template, Templates, of_type, regions

LINES: Final[Mapping[str, str]] = {
    "EKS::Cluster": "eks", "EKS::Nodegroup": "nodes.general", "EC2::LaunchTemplate": "ebs",
    "RDS::DBCluster": "aurora.storage", "RDS::DBInstance": "aurora.writers.shared",
    "RDS::GlobalCluster": "aurora.io@secondary",
    "ElastiCache::ReplicationGroup": "valkey.nodes", "MSK::Cluster": "kafka.brokers",
    "ElasticLoadBalancingV2::LoadBalancer": "alb", "EC2::NatGateway": "nat", "EC2::EIP": "ipv4",
    "EC2::VPCEndpoint": "endpoints", "WAFv2::WebACL": "waf", "KMS::Key": "keys", "CloudWatch::Alarm": "alarms",
    "Route53::HealthCheck": "dns.checks", "SecretsManager::Secret": "secrets", "Logs::LogGroup": "logs",
}  # fmt: skip
"""The line by the type of a resource."""
LEFT_OUT: Final[Mapping[str, str]] = {
    "Backup::BackupVault": "snapshots are incremental: some cents a gigabyte that changed, which nobody can plan",
    "Backup::BackupPlan": "see the vault",
    "Backup::RestoreTestingPlan": "four hours of one small instance a month",
    "S3::Bucket": "access logs and flow logs of a year: some dollars",
    "SNS::Topic": "alarms are few",
    "ECR::Repository": "one image for each version: some dollars",
    "EC2::FlowLog": "stored with the other logs, which `logs` plans by the gigabyte",
    "KinesisFirehose::DeliveryStream": "billed with Splunk, which production has not",
    "WAFv2::LoggingConfiguration": "stored with the other logs",
    "Events::Rule": "AWS's own events cost nothing",
    "SQS::Queue": "interruptions of Spot are few",
    "Budgets::Budget": "the first two of an account cost nothing",
    "SecretsManager::RotationSchedule": "a function runs for seconds each month",
}
"""Why a priced resource has no line; docs/topology.md says so too."""
FREE: Final = frozenset(
    {
        "EC2::VPC", "EC2::Subnet", "EC2::RouteTable", "EC2::Route", "EC2::SubnetRouteTableAssociation",
        "EC2::InternetGateway", "EC2::VPCGatewayAttachment", "EC2::SecurityGroup", "EC2::SecurityGroupIngress",
        "EC2::SecurityGroupEgress", "IAM::Role", "EKS::Addon", "EKS::PodIdentityAssociation", "EKS::AccessEntry",
        "RDS::DBSubnetGroup", "RDS::DBClusterParameterGroup", "KMS::Alias", "ElastiCache::User",
        "ElastiCache::UserGroup",
        "ElastiCache::SubnetGroup", "MSK::BatchScramSecret", "MSK::Configuration", "MSK::ClusterPolicy",
        "ElasticLoadBalancingV2::Listener", "ElasticLoadBalancingV2::ListenerRule",
        "ElasticLoadBalancingV2::TargetGroup", "WAFv2::WebACLAssociation", "Route53::RecordSet", "SNS::TopicPolicy",
        "SQS::QueuePolicy", "S3::BucketPolicy", "Backup::BackupSelection", "Backup::RestoreTestingSelection",
        "ECR::ReplicationConfiguration", "ECR::RegistryPolicy", "ECR::RegistryScanningConfiguration",
        "SecretsManager::SecretTargetAttachment", "SecretsManager::ResourcePolicy", "Logs::ResourcePolicy",
        "Logs::SubscriptionFilter", "Logs::QueryDefinition", "CloudWatch::Dashboard", "CDK::Metadata",
    }
)  # fmt: skip
"""Types that AWS does not bill by themselves."""


def check_everything_that_is_billed_is_in_the_bill(templates: Templates, model: Topology) -> Iterator[str]:
    """Each type of the templates is billed, free, or left out with a reason; each line that it names is there."""
    keys = {line.key for line in make_bill(model).lines}
    types = {one["Type"].removeprefix("AWS::") for template in templates.values()
             for one in template["Resources"].values()}  # fmt: skip
    for kind in sorted(types - LINES.keys() - LEFT_OUT.keys() - FREE):
        yield f"{kind} is neither in the bill nor left out with a reason"
    for kind, key in LINES.items():
        if kind in types and key not in keys:
            yield f"{kind} is billed by the line {key}, which there is not"


def _count(template: Template, kind: str) -> int:
    return len(of_type(template, kind))


def check_pieces(templates: Templates, model: Topology) -> Iterator[str]:
    """The numbers of pieces that the bill counts with are those of the templates."""
    for region, _ in regions(templates, model, "network"):
        here = [one for place, one in templates.items() if place.startswith(f"{region.name}/")]
        endpoints = [one for template in here for one in of_type(template, "EC2::VPCEndpoint").values()
                     if one["VpcEndpointType"] == "Interface"]  # fmt: skip
        acls = [one for template in here for one in of_type(template, "WAFv2::WebACL").values()]
        found = {
            "interface_endpoints": sum(len(one["SubnetIds"]) for one in endpoints),
            "firewall_rules": sum(len(one["Rules"]) for one in acls),
            "keys": sum(_count(template, "KMS::Key") for template in here),
            "alarms": sum(_count(template, "CloudWatch::Alarm") for template in here),
            "health_checks": sum(_count(template, "Route53::HealthCheck") for template in here),
        }
        stated = {} if region.pieces is None else region.pieces.model_dump()
        if found != stated:
            yield f"{region.name}: the bill counts with {stated}, the templates have {found}"
