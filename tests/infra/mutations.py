"""Changes for the worse, each of which some check must notice."""
# ruff: noqa: E501

from collections.abc import Callable
from typing import Any

from .checks.templates import Templates


def _set(place: str, kind: str, path: str, value: Any) -> Callable[[Templates], None]:
    """Set a property of the first resource of a type; None takes it away, and a list's number is a place in it."""

    def change(made: Templates) -> None:
        resources = made[place]["Resources"].values()
        one = next(one for one in resources if one["Type"] == f"AWS::{kind}")
        here: Any = one["Properties"]
        *parents, last = path.split("/")
        for step in parents:
            here = here[int(step)] if isinstance(here, list) else here[step]
        key = int(last) if isinstance(here, list) else last
        if value is None:
            del here[key]
        else:
            here[key] = value

    return change


def _remove(place: str, kind: str) -> Callable[[Templates], None]:
    def change(made: Templates) -> None:
        resources = made[place]["Resources"]
        del resources[next(name for name, one in resources.items() if one["Type"] == f"AWS::{kind}")]

    return change


def _alarm(name: str, key: str, value: Any, region: str = "us-east-1") -> Callable[[Templates], None]:
    """Set a property of the alarm whose name ends so; None takes the alarm away."""

    def change(made: Templates) -> None:
        resources = made[f"{region}/operations"]["Resources"]
        found = next(one for one in resources if str(resources[one]["Properties"].get("AlarmName", "")).endswith(name))
        if value is None:
            del resources[found]
        else:
            resources[found]["Properties"][key] = value

    return change


def _account(account: str, action: str, resource: str) -> Callable[[Templates], None]:
    """Give a service account one right more."""

    def change(made: Templates) -> None:
        resources = made[CLUSTER]["Resources"]
        association = next(one["Properties"] for one in resources.values()
                           if one["Type"] == "AWS::EKS::PodIdentityAssociation"
                           and one["Properties"]["ServiceAccount"] == account)  # fmt: skip
        role = resources[association["RoleArn"]["Fn::GetAtt"][0]]["Properties"]
        added = {"Effect": "Allow", "Action": [action], "Resource": resource}
        role["Policies"][0]["PolicyDocument"]["Statement"].append(added)

    return change


def _role(change: Callable[[dict[str, Any]], None]) -> Callable[[Templates], None]:
    """Change the role of the payment service in the primary region."""

    def whole(made: Templates) -> None:
        resources = made["us-east-1/cluster"]["Resources"]
        (association,) = (
            one["Properties"]
            for one in resources.values()
            if one["Type"] == "AWS::EKS::PodIdentityAssociation" and one["Properties"]["ServiceAccount"] == "payment"
        )
        change(resources[association["RoleArn"]["Fn::GetAtt"][0]]["Properties"])

    return whole


def _statement(properties: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = properties["Policies"][0]["PolicyDocument"]["Statement"][0]
    return found


NETWORK, CLUSTER, DATABASES = "us-east-1/network", "us-east-1/cluster", "us-east-1/databases"
OPERATIONS, TOPIC, BACKUPS, IMAGES = (f"us-east-1/{part}" for part in ("operations", "topic", "backups", "images"))
STORES, EDGE, DNS = "us-east-1/stores", "us-east-1/edge", "us-east-1/dns"
_ROUTE_OUT = {
    "Type": "AWS::EC2::Route",
    "Properties": {"DestinationCidrBlock": "0.0.0.0/0", "NatGatewayId": {"Ref": "Natuseast1a"}},
}


def _isolated_way_out(made: Templates) -> None:
    resources = made[NETWORK]["Resources"]
    table = next(name for name in resources if name.startswith("Routesisolated"))
    route = {**_ROUTE_OUT["Properties"], "RouteTableId": {"Ref": table}}
    resources["WayOut"] = {"Type": "AWS::EC2::Route", "Properties": route}


def _check(name: str, path: str, value: Any) -> Callable[[Templates], None]:
    """Set a property of a health check by the beginning of its logical id."""

    def change(made: Templates) -> None:
        resources = made[DNS]["Resources"]
        here = next(one for key, one in resources.items() if key.startswith(name))["Properties"]["HealthCheckConfig"]
        if value is None:
            del here[path]
        else:
            here[path] = value

    return change


def _in_one_region(made: Templates) -> None:
    """Take the right to copy secrets from whoever makes them."""
    for one in made[CLUSTER]["Resources"].values():
        for policy in one.get("Properties", {}).get("Policies", []):
            for statement in policy["PolicyDocument"]["Statement"]:
                if isinstance(statement["Action"], list):
                    kept = [action for action in statement["Action"] if "ReplicateSecretToRegions" not in action]
                    statement["Action"] = kept


def _endpoint(service: str, listed: str | None) -> Callable[[Templates], None]:
    """Take an endpoint away, or all but the first of what it lists."""

    def change(made: Templates) -> None:
        resources = made[NETWORK]["Resources"]
        name = next(name for name, one in resources.items() if one["Type"] == "AWS::EC2::VPCEndpoint"
                    and one["Properties"]["ServiceName"].endswith(f".{service}"))  # fmt: skip
        if listed is None:
            del resources[name]
        else:
            resources[name]["Properties"][listed] = resources[name]["Properties"][listed][:1]

    return change


def _unordered(made: Templates) -> None:
    """Let node groups be made with the add-ons and not after them."""
    for one in made[CLUSTER]["Resources"].values():
        if one["Type"] == "AWS::EKS::Nodegroup":
            one.pop("DependsOn", None)


def _without(action: str) -> Callable[[Templates], None]:
    """Take an action from the tenant service, in the last of the statements that allow it."""

    def change(made: Templates) -> None:
        for statement in reversed(_of_tenant(made)):
            if action in statement["Action"]:
                statement["Action"] = [one for one in statement["Action"] if one != action] or ["rds:StopDBCluster"]
                return

    return change


def _conditioned(made: Templates) -> None:
    """Allow to describe keys under the condition of a grant, which such a request does not have."""
    next(one for one in _of_tenant(made) if "kms:DescribeKey" in one["Action"])["Condition"] = {
        "Bool": {"kms:GrantIsForAWSResource": "true"}
    }


def _of_tenant(made: Templates) -> list[dict[str, Any]]:
    resources = made[CLUSTER]["Resources"]
    association = next(one["Properties"] for one in resources.values()
                       if one["Type"] == "AWS::EKS::PodIdentityAssociation"
                       and one["Properties"]["ServiceAccount"] == "tenant")  # fmt: skip
    found: list[dict[str, Any]] = resources[association["RoleArn"]["Fn::GetAtt"][0]]["Properties"]["Policies"][0][
        "PolicyDocument"
    ]["Statement"]
    return found


def _database(name: str) -> Callable[[Templates], dict[str, Any]]:
    def find(made: Templates) -> dict[str, Any]:
        resources = made[DATABASES]["Resources"].values()
        clusters = [one["Properties"] for one in resources if one["Type"] == "AWS::RDS::DBCluster"]
        return next(one for one in clusters if one["DBClusterIdentifier"] == name)

    return find


def _another_key(made: Templates) -> None:
    """Encrypt one shared cluster with a key of its own, without need."""
    _database("bezant-shared-1")(made)["KmsKeyId"] = {"Fn::GetAtt": ["Another", "Arn"]}


def _unused_cluster(made: Templates) -> None:
    """Make a cluster of a tenant's own, which the tenant service never looks for."""
    cluster = _database("bezant-shared-1")(made)
    cluster["Tags"] = [{"Key": "bezant:tier", "Value": "dedicated"}, {"Key": "bezant:tenants", "Value": "1"}]


def _unbilled(made: Templates) -> None:
    made[STORES]["Resources"]["Unbilled"] = {"Type": "AWS::OpenSearchService::Domain", "Properties": {}}


def _one_more_key(made: Templates) -> None:
    resources = made[STORES]["Resources"]
    resources["OneMore"] = next(one for one in resources.values() if one["Type"] == "AWS::KMS::Key")


MUTATIONS: dict[str, Callable[[Templates], None]] = {
    "another network": _set(NETWORK, "EC2::VPC", "CidrBlock", "10.9.0.0/16"),
    "a subnet elsewhere": _set(NETWORK, "EC2::Subnet", "CidrBlock", "10.0.99.0/24"),
    "public addresses": _set(NETWORK, "EC2::Subnet", "MapPublicIpOnLaunch", True),
    "one NAT gateway less": _remove(NETWORK, "EC2::NatGateway"),
    "databases with a way out": _isolated_way_out,
    "a store open to the internet": _set(NETWORK, "EC2::SecurityGroup", "SecurityGroupIngress/0/CidrIp", "0.0.0.0/0"),
    "a store open on every port": _set(NETWORK, "EC2::SecurityGroup", "SecurityGroupIngress/0/ToPort", 65535),
    "a store that may reach anything": _set(NETWORK, "EC2::SecurityGroup", "SecurityGroupEgress/0", {"IpProtocol": "-1", "CidrIp": "0.0.0.0/0"}),
    "no endpoint": _remove(NETWORK, "EC2::VPCEndpoint"),
    "no endpoint of RDS": _endpoint("rds", None),
    "an endpoint in one zone": _endpoint("kms", "SubnetIds"),
    "nodes before their network": _unordered,
    "an endpoint by another name": _set(NETWORK, "EC2::VPCEndpoint", "PrivateDnsEnabled", False),
    "no flow logs": _remove(NETWORK, "EC2::FlowLog"),
    "flow logs of what was refused alone": _set(NETWORK, "EC2::FlowLog", "TrafficType", "REJECT"),
    "logs without encryption": _set(NETWORK, "Logs::LogGroup", "KmsKeyId", None),
    "logs for ever": _set(CLUSTER, "Logs::LogGroup", "RetentionInDays", None),
    "a key that never rotates": _set(DATABASES, "KMS::Key", "EnableKeyRotation", False),
    "a cluster reached from the internet": _set(CLUSTER, "EKS::Cluster", "ResourcesVpcConfig/EndpointPublicAccess", True),
    "cluster secrets in plain": _set(CLUSTER, "EKS::Cluster", "EncryptionConfig", None),
    "a cluster without an audit log": _set(CLUSTER, "EKS::Cluster", "Logging/ClusterLogging/EnabledTypes/1", None),
    "a maker who administers": _set(CLUSTER, "EKS::Cluster", "AccessConfig/BootstrapClusterCreatorAdminPermissions", True),
    "another version of Kubernetes": _set(CLUSTER, "EKS::Cluster", "Version", "1.33"),
    "smaller machines": _set(CLUSTER, "EKS::Nodegroup", "InstanceTypes/0", "t3.large"),
    "fewer nodes": _set(CLUSTER, "EKS::Nodegroup", "ScalingConfig/MinSize", 1),
    "spot machines": _set(CLUSTER, "EKS::Nodegroup", "CapacityType", "SPOT"),
    "nodes without their label": _set(CLUSTER, "EKS::Nodegroup", "Labels", {"bezant.dev/node-group": "other"}),
    "a node group less": _remove(CLUSTER, "EKS::Nodegroup"),
    "credentials of the node for pods": _set(CLUSTER, "EC2::LaunchTemplate", "LaunchTemplateData/MetadataOptions/HttpPutResponseHopLimit", 2),
    "plain volumes": _set(CLUSTER, "EC2::LaunchTemplate", "LaunchTemplateData/BlockDeviceMappings/0/Ebs/Encrypted", False),
    "nobody enforces network policies": lambda made: [
        one["Properties"].update(ConfigurationValues="{}")
        for one in made[CLUSTER]["Resources"].values()
        if one["Type"] == "AWS::EKS::Addon" and one["Properties"]["AddonName"] == "vpc-cni"
    ] and None,
    "no identity": _remove(CLUSTER, "EKS::PodIdentityAssociation"),
    "a role for every secret": _role(lambda role: _statement(role).update(Resource="*")),
    "a role for every action": _role(lambda role: _statement(role).update(Action="secretsmanager:*")),
    "a role for another service's secrets": _role(
        lambda role: _statement(role).update(Resource="arn:aws:secretsmanager:us-east-1:1:secret:bezant/tenants/*")
    ),
    "a role that writes": _role(lambda role: _statement(role)["Action"].append("secretsmanager:PutSecretValue")),
    "a role for nodes": _role(
        lambda role: role["AssumeRolePolicyDocument"]["Statement"][0].update(Principal={"Service": "ec2.amazonaws.com"})
    ),
    "a role with a policy of AWS": _role(lambda role: role.update(ManagedPolicyArns=["arn:aws:iam::aws:policy/AdministratorAccess"])),
    "plain databases": _set(DATABASES, "RDS::DBCluster", "StorageEncrypted", False),
    "databases that are deleted by mistake": _set(DATABASES, "RDS::DBCluster", "DeletionProtection", False),
    "backups of a day": _set(DATABASES, "RDS::DBCluster", "BackupRetentionPeriod", 1),
    "a password in the template": _set(DATABASES, "RDS::DBCluster", "MasterUserPassword", "hunter2"),
    "a cluster of one region": _set(DATABASES, "RDS::DBCluster", "GlobalClusterIdentifier", None),
    "a replica less": _remove(DATABASES, "RDS::DBInstance"),
    "a smaller instance": _set(DATABASES, "RDS::DBInstance", "DBInstanceClass", "db.t4g.medium"),
    "a writer in another zone": _set(DATABASES, "RDS::DBInstance", "AvailabilityZone", "us-east-1c"),
    "a database on the internet": _set(DATABASES, "RDS::DBInstance", "PubliclyAccessible", True),
    "databases without TLS": _set(DATABASES, "RDS::DBClusterParameterGroup", "Parameters/rds.force_ssl", "0"),
    "no global database": _remove(DATABASES, "RDS::GlobalCluster"),
    "an administrator in one region": _set(DATABASES, "SecretsManager::Secret", "ReplicaRegions", None),
    "a cache in one zone": _set(STORES, "ElastiCache::ReplicationGroup", "NodeGroupConfiguration/0/ReplicaAvailabilityZones/0", "us-east-1a"),
    "a cache without shards": _set(STORES, "ElastiCache::ReplicationGroup", "CacheParameterGroupName", None),
    "a cache without TLS": _set(STORES, "ElastiCache::ReplicationGroup", "TransitEncryptionEnabled", False),
    "a cache for everybody": _set(STORES, "ElastiCache::ReplicationGroup", "UserGroupIds", None),
    "a smaller cache": _set(STORES, "ElastiCache::ReplicationGroup", "CacheNodeType", "cache.t4g.micro"),
    "a broker less": _set(STORES, "MSK::Cluster", "NumberOfBrokerNodes", 2),
    "a broker for everybody": _set(STORES, "MSK::Cluster", "ClientAuthentication/Unauthenticated/Enabled", True),
    "a broker that also speaks in plain": _set(STORES, "MSK::Cluster", "EncryptionInfo/EncryptionInTransit/ClientBroker", "TLS_PLAINTEXT"),
    "writes on one broker": _set(STORES, "MSK::Configuration", "ServerProperties", "min.insync.replicas=1"),
    "a broker's secret of another name": _set(STORES, "SecretsManager::Secret", "Name", "kafka"),
    "a standby with credentials of its own": _set("sa-east-1/databases", "RDS::DBCluster", "MasterUsername", "x"),
    "a standby that follows another": _set("sa-east-1/databases", "RDS::DBCluster", "GlobalClusterIdentifier", "x"),
    "a load balancer in fewer zones": _set(EDGE, "ElasticLoadBalancingV2::LoadBalancer", "Subnets/2", None),
    "no access log": _set(EDGE, "ElasticLoadBalancingV2::LoadBalancer", "LoadBalancerAttributes/0/Value", "false"),
    "a longer deregistration delay": _set(EDGE, "ElasticLoadBalancingV2::TargetGroup", "TargetGroupAttributes/0/Value", "300"),
    "a gateway in plain": _set(EDGE, "ElasticLoadBalancingV2::TargetGroup", "Protocol", "HTTP"),
    "answers without TLS": _set(EDGE, "ElasticLoadBalancingV2::Listener", "DefaultActions/0/Type", "forward"),
    "any host is let in": _set("sa-east-1/edge", "ElasticLoadBalancingV2::ListenerRule", "Conditions/0/HostHeaderConfig/Values", ["*"]),
    "no firewall before the load balancer": _remove(EDGE, "WAFv2::WebACLAssociation"),
    "no firewall log": _remove(EDGE, "WAFv2::LoggingConfiguration"),
    "API keys in the firewall's log": _set(EDGE, "WAFv2::LoggingConfiguration", "RedactedFields/0/SingleHeader/Name", "accept"),
    "a rule group less": _set(EDGE, "WAFv2::WebACL", "Rules/5", None),
    "a limit that only counts": _set(EDGE, "WAFv2::WebACL", "Rules/1/Action", {"Count": {}}),
    "a wider limit": _set(EDGE, "WAFv2::WebACL", "Rules/0/Statement/RateBasedStatement/Limit", 2_000_000),
    "a group that only counts": _set(EDGE, "WAFv2::WebACL", "Rules/2/OverrideAction", {"Count": {}}),
    "the load balancer open on every port": _set(EDGE, "EC2::SecurityGroup", "SecurityGroupIngress/0/ToPort", 65535),
    "the load balancer reaches the databases": _set(EDGE, "EC2::SecurityGroup", "SecurityGroupEgress/0/CidrIp", "10.0.20.0/24"),
    "pods reached from anywhere": _set(EDGE, "EC2::SecurityGroupIngress", "SourceSecurityGroupId", None),
    "the secondary is healthy as soon as it answers": _check("Promoted", "HealthThreshold", 1),
    "the lost region takes traffic back by itself": _check("Serves", "HealthThreshold", 1),
    "promotion is no promotion": _check("NotPromoted", "Inverted", False),
    "no data is good news": _check("Writerbezantcontrol", "InsufficientDataHealthStatus", "Healthy"),
    "the primary's alarm instead of the secondary's": _check("Writerbezantcontrol", "AlarmIdentifier", {"Region": "us-east-1", "Name": "bezant-production-no-writer-bezant-control"}),
    "a health check every half minute": _check("Answersuseast1", "RequestInterval", 30),
    "a health check of a page": _check("Answersuseast1", "ResourcePath", "/docs"),
    "records without fail-over": _set(DNS, "Route53::RecordSet", "Failover", None),
    "a record to the other region": _set(DNS, "Route53::RecordSet", "AliasTarget/DNSName", "sa-east-1.api.bezant.example."),
    "an unwatched writer": _remove("sa-east-1/edge", "CloudWatch::Alarm"),
    "a reader counts as a writer": _set("sa-east-1/edge", "CloudWatch::Alarm", "Dimensions/1/Value", "READER"),
    "silence counts as a writer": _set("sa-east-1/edge", "CloudWatch::Alarm", "TreatMissingData", "notBreaching"),
    "passwords rotated from anywhere": _set(NETWORK, "EC2::SecurityGroup", "SecurityGroupEgress/0/CidrIp", "0.0.0.0/0"),
    "a cluster with a key that nobody asked for": _another_key,
    "something that nobody has put into the bill": _unbilled,
    "one key more than the bill counts": _one_more_key,
    "nobody may administer the cluster": _remove(CLUSTER, "EKS::AccessEntry"),
    "secrets with AWS's own key": _remove(DATABASES, "KMS::Alias"),
    "a cluster that nobody puts a tenant on": _unused_cluster,
    "a lag that is asked for where it is not measured": _alarm("bezant-shared-1-global-lag", "Dimensions", [{"Name": "DBClusterIdentifier", "Value": "bezant-shared-1"}], "sa-east-1"),
    "passwords that stay": _remove(DATABASES, "SecretsManager::RotationSchedule"),
    "passwords that stay for a year": _set(DATABASES, "SecretsManager::RotationSchedule", "RotationRules/ScheduleExpression", "rate(365 days)"),
    "snapshots with the account's own key": _set(BACKUPS, "Backup::BackupVault", "EncryptionKeyArn", None),
    "snapshots that can be deleted": _set(BACKUPS, "Backup::BackupVault", "AccessPolicy", None),
    "a vault without a lock": _set("sa-east-1/backups", "Backup::BackupVault", "LockConfiguration", None),
    "backups that fail in silence": _set(BACKUPS, "Backup::BackupVault", "Notifications", None),
    "backups that fail under a name that is sent no more": _set(BACKUPS, "Backup::BackupVault", "Notifications/BackupVaultEvents/0", "BACKUP_JOB_FAILED"),
    "snapshots every day": _set(BACKUPS, "Backup::BackupPlan", "BackupPlan/BackupPlanRule/0/ScheduleExpression", "cron(0 4 * * ? *)"),
    "snapshots for a week": _set(BACKUPS, "Backup::BackupPlan", "BackupPlan/BackupPlanRule/0/Lifecycle/DeleteAfterDays", 7),
    "no copy in the other region": _set(BACKUPS, "Backup::BackupPlan", "BackupPlan/BackupPlanRule/0/CopyActions", []),
    "copies that end sooner": _set(BACKUPS, "Backup::BackupPlan", "BackupPlan/BackupPlanRule/0/CopyActions/0/Lifecycle/DeleteAfterDays", 7),
    "snapshots of one cluster": _set(BACKUPS, "Backup::BackupSelection", "BackupSelection/Resources", ["arn:aws:rds:us-east-1:1:cluster:bezant-control"]),
    "restores that nobody tries": _remove(BACKUPS, "Backup::RestoreTestingPlan"),
    "tags that change": _set(IMAGES, "ECR::Repository", "ImageTagMutability", "MUTABLE"),
    "images without a scan": _set("sa-east-1/images", "ECR::Repository", "ImageScanningConfiguration/ScanOnPush", False),
    "images in one region": _remove(IMAGES, "ECR::ReplicationConfiguration"),
    "another repository": _set(IMAGES, "ECR::Repository", "RepositoryName", "other"),
    "alarms in plain": _set(TOPIC, "SNS::Topic", "KmsMasterKeyId", None),
    "anybody sends alarms": _set(TOPIC, "SNS::TopicPolicy", "PolicyDocument/Statement/0/Principal", {"AWS": "*"}),
    "errors that nobody hears of": _alarm("edge-errors", "", None),
    "errors heard of late": _alarm("edge-errors", "Threshold", 10),
    "the mean instead of the p99": _alarm("edge-latency", "ExtendedStatistic", "p50"),
    "an alarm that calls nobody": _alarm("edge-latency", "AlarmActions", []),
    "a zone without a gateway": _alarm("edge-gateways", "Threshold", 1),
    "a database's CPU": _alarm("bezant-shared-3-cpu", "Threshold", 100),
    "connections above what there are": _alarm("bezant-control-connections", "Threshold", 5000),
    "a lag beyond the recovery point": _alarm("bezant-shared-1-global-lag", "Threshold", 3_600_000, "sa-east-1"),
    "a reader's lag": _alarm("bezant-shared-1-reader-lag", "", None),
    "an unwatched cache node": _alarm("cache-2-1-cpu", "", None),
    "an unwatched broker": _alarm("broker-3-disk", "", None),
    "logs that are kept for ever": _set(OPERATIONS, "Logs::LogGroup", "RetentionInDays", None),
    "logs that end tomorrow": _set(OPERATIONS, "Logs::LogGroup", "RetentionInDays", 1),
    "a log group that RDS has to make": _remove(DATABASES, "Logs::LogGroup"),
    "databases that log in plain": _set(DATABASES, "Logs::LogGroup", "KmsKeyId", None),
    "a larger budget": _set(OPERATIONS, "Budgets::Budget", "Budget/BudgetLimit/Amount", 1_000_000),
    "a lost region that calls nobody": _remove(DNS, "CloudWatch::Alarm"),
    "the load balancer controller makes load balancers": _account("aws-load-balancer-controller", "elasticloadbalancing:CreateLoadBalancer", "arn:aws:elasticloadbalancing:us-east-1:1:loadbalancer/*"),
    "the autoscaler ends any machine": _account("cluster-autoscaler", "ec2:TerminateInstances", "arn:aws:ec2:us-east-1:1:instance/*"),
    "the tenant service deletes shared clusters": _account("tenant", "rds:DeleteDBCluster", "arn:aws:rds:us-east-1:1:cluster:bezant-*"),
    "the tenant service hands out roles": _account("tenant", "iam:PassRole", "arn:aws:iam::1:role/*"),
    "a role for any pod": _role(lambda role: role["AssumeRolePolicyDocument"]["Statement"][0].pop("Condition") and None),
    "a role without the tags of its pod": _role(lambda role: role["AssumeRolePolicyDocument"]["Statement"][0].update(Action="sts:AssumeRole")),
    "the tenant service removes any log": _account("tenant", "logs:DeleteLogGroup", "arn:aws:logs:us-east-1:1:log-group:/bezant/*"),
    "payment makes databases": _account("payment", "rds:CreateDBCluster", "arn:aws:rds:us-east-1:1:cluster:x"),
    "the tenant service may not make what a cluster refers to": _without("rds:CreateDBInstance"),
    "the tenant service may not take a follower out": _without("rds:RemoveFromGlobalCluster"),
    "the tenant service may not use its databases' keys": _without("kms:GenerateDataKey"),
    "the tenant service may not remove secrets": _without("secretsmanager:DeleteSecret"),
    "the tenant service administers the control database": _account("tenant", "secretsmanager:GetSecretValue", "arn:aws:secretsmanager:us-east-1:1:secret:bezant/administrator/*"),
    "an action that there is not": _account("payment", "secretsmanager:ReadSecretValue", "arn:aws:secretsmanager:us-east-1:1:secret:x"),
    "a condition that the action does not know": _conditioned,
    "secrets in one region": _in_one_region,
    "payment decrypts": _account("payment", "kms:Decrypt", "arn:aws:kms:us-east-1:1:key/*"),
}  # fmt: skip
