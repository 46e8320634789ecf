"""The stacks are the model's: every check finds nothing, and each change for the worse makes one of them speak."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from infrastructure.app import build

from bezant.topology.errors import NotStated
from bezant.topology.loading import load_model
from bezant.topology.model.deployment import Topology

from .checks import CHECKS, COUNTS, Templates

Make = Callable[[], Templates]
ACCEPTED_LINT = {"W3010": "the model names the zones: subnets, node groups and writers are spread over them on purpose"}


@pytest.mark.parametrize("check", CHECKS)
def test_the_check_finds_nothing(check: str, templates: Make, model: Topology) -> None:
    assert list(CHECKS[check](templates(), model)) == []


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
STORES = "us-east-1/stores"
_ROUTE_OUT = {
    "Type": "AWS::EC2::Route",
    "Properties": {"DestinationCidrBlock": "0.0.0.0/0", "NatGatewayId": {"Ref": "Natuseast1a"}},
}


def _isolated_way_out(made: Templates) -> None:
    resources = made[NETWORK]["Resources"]
    table = next(name for name in resources if name.startswith("Routesisolated"))
    route = {**_ROUTE_OUT["Properties"], "RouteTableId": {"Ref": table}}
    resources["WayOut"] = {"Type": "AWS::EC2::Route", "Properties": route}


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
}  # fmt: skip
# ruff: noqa: E501


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_a_change_for_the_worse_is_noticed(mutation: str, templates: Make, model: Topology) -> None:
    made = templates()
    MUTATIONS[mutation](made)
    assert made != templates(), "nothing was changed"
    assert any(True for check in CHECKS.values() for _ in check(made, model))
    COUNTS["mutations"] = f"{len(MUTATIONS)} changes for the worse, each noticed by one of {len(CHECKS)} checks"


def test_nothing_is_looked_up_in_an_account(assembly: Path) -> None:
    manifest = json.loads((assembly / "manifest.json").read_text("utf-8"))
    assert "missing" not in manifest
    stacks = [one for one in manifest["artifacts"].values() if one["type"] == "aws:cloudformation:stack"]
    assert len(stacks) == 8
    resources = sum(len(json.loads(path.read_text("utf-8"))["Resources"]) for path in assembly.glob("*.template.json"))
    COUNTS["cdk synth"] = f"{len(stacks)} stacks in 2 regions, {resources} resources, nothing looked up"


def test_a_second_synthesis_is_the_same(assembly: Path, tmp_path: Path, model: Topology) -> None:
    build(model, outdir=str(tmp_path / "again")).synth()
    first = {path.name: path.read_bytes() for path in assembly.glob("*.template.json")}
    assert {path.name: path.read_bytes() for path in (tmp_path / "again").glob("*.template.json")} == first


def test_cfn_lint_finds_nothing_but_what_is_accepted(assembly: Path) -> None:
    paths = sorted(str(path) for path in assembly.glob("*.template.json"))
    command = [str(Path(sys.executable).parent / "cfn-lint"), "--format", "json", *paths]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    found = json.loads(result.stdout or "[]")
    assert [one for one in found if one["Rule"]["Id"] not in ACCEPTED_LINT] == []
    assert {one["Rule"]["Id"] for one in found} == ACCEPTED_LINT.keys()
    COUNTS["cfn-lint"] = f"{len(paths)} templates, {len(found)} accepted, 0 others"


ACCEPTED_CHECKOV = {
    "CKV_AWS_162": "services log in with passwords that the tenant service rotates, two roles in turn; IAM's tokens last 15 "
    "minutes and cost a call to AWS for each new connection",
}


def test_checkov_finds_nothing_but_what_is_accepted(assembly: Path) -> None:
    checkov = Path(__file__).parents[2] / ".venv" / "chart-tools" / "checkov" / "bin" / "checkov"
    command = [str(checkov), "-d", str(assembly), "--framework", "cloudformation", "-o", "json", "--skip-download"]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    report = json.loads(result.stdout)
    assert {one["check_id"] for one in report["results"]["failed_checks"]} == ACCEPTED_CHECKOV.keys()
    assert report["summary"]["parsing_errors"] == 0
    COUNTS["checkov"] = f"{report['summary']['passed']} passed, {report['summary']['failed']} accepted, 0 others"


def test_a_model_that_leaves_things_open_makes_no_stacks(tmp_path: Path) -> None:
    with pytest.raises(NotStated, match="the stacks cannot be made from as_documented") as refused:
        build(load_model("as_documented"), outdir=str(tmp_path / "out"))
    assert "regions[sa-east-1].network.cidr" in refused.value.places
    assert "regions[us-east-1].cluster.version" in refused.value.places
