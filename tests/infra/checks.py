"""What the templates must mean, from the model: pure functions from templates to sentences about what is wrong."""

import importlib.util
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from bezant.topology.model.deployment import Topology
from bezant.topology.model.network import Region

ROOT: Final = Path(__file__).parents[2]
COUNTS: Final[dict[str, str]] = {}
"""What each tool has looked at in this run, printed at its end."""
Template = dict[str, Any]
Templates = dict[str, Template]
"""Templates by region and part, such as `us-east-1/network`."""


def of_type(template: Template, kind: str) -> dict[str, dict[str, Any]]:
    """Return the properties of the resources of a type, by logical id."""
    return {
        name: one.get("Properties", {}) for name, one in template["Resources"].items() if one["Type"] == f"AWS::{kind}"
    }


def _regions(templates: Templates, model: Topology, part: str) -> Iterator[tuple[Region, Template]]:
    for region in model.regions:
        yield region, templates[f"{region.name}/{part}"]


def check_subnets(templates: Templates, model: Topology) -> Iterator[str]:
    """The model's network and subnets, to the letter, and nothing public by itself."""
    for region, template in _regions(templates, model, "network"):
        (vpc,) = of_type(template, "EC2::VPC").values()
        if vpc["CidrBlock"] != region.network.cidr:
            yield f"{region.name}: the network is {vpc['CidrBlock']}, the model says {region.network.cidr}"
        found = Counter(
            (one["AvailabilityZone"], one["CidrBlock"]) for one in of_type(template, "EC2::Subnet").values()
        )
        should = Counter((one.zone, one.cidr) for one in region.network.subnets)
        if found != should:
            yield f"{region.name}: subnets {sorted(found - should)} too many, {sorted(should - found)} missing"
        for name, one in of_type(template, "EC2::Subnet").items():
            if one.get("MapPublicIpOnLaunch") is not False:
                yield f"{region.name}: {name} gives out public addresses"


def check_routes(templates: Templates, model: Topology) -> Iterator[str]:
    """Nodes go out by the NAT gateway of their own zone; databases have no way out at all."""
    for region, template in _regions(templates, model, "network"):
        subnets = of_type(template, "EC2::Subnet")
        tables = {
            one["SubnetId"]["Ref"]: one["RouteTableId"]["Ref"]
            for one in of_type(template, "EC2::SubnetRouteTableAssociation").values()
        }
        ways: dict[str, list[dict[str, Any]]] = {}
        for one in of_type(template, "EC2::Route").values():
            ways.setdefault(one["RouteTableId"]["Ref"], []).append(one)
        nat_zone = {
            name: subnets[one["SubnetId"]["Ref"]]["AvailabilityZone"]
            for name, one in of_type(template, "EC2::NatGateway").items()
        }
        if sorted(nat_zone.values()) != sorted(region.network.nat_gateway_zones):
            yield f"{region.name}: NAT gateways in {sorted(nat_zone.values())}"
        tier_of = {one.cidr: one.tier for one in region.network.subnets}
        for name, one in subnets.items():
            out = ways.get(tables[name], [])
            tier, zone = tier_of.get(one["CidrBlock"]), one["AvailabilityZone"]
            if tier == "isolated" and out:
                yield f"{region.name}: databases in {zone} have a way to {out[0]['DestinationCidrBlock']}"
            if tier == "nodes" and [nat_zone.get(way.get("NatGatewayId", {}).get("Ref")) for way in out] != [zone]:
                yield f"{region.name}: nodes in {zone} do not go out by their own zone"
            if tier == "public" and not any("GatewayId" in way for way in out):
                yield f"{region.name}: the public subnet in {zone} has no way out"


def check_security_groups(templates: Templates, model: Topology) -> Iterator[str]:
    """Stores and endpoints are reached from the node subnets on one port each, and reach nothing."""
    wanted = {"databases": 5432, "cache": 6379, "broker": 9096, "endpoints": 443}
    for region, template in _regions(templates, model, "network"):
        nodes = {one.cidr for one in region.network.subnets if one.tier == "nodes"}
        groups = of_type(template, "EC2::SecurityGroup")
        if len(groups) != len(wanted):
            yield f"{region.name}: {len(groups)} security groups"
        for name, one in groups.items():
            port = next((port for part, port in wanted.items() if name.endswith(part)), None)
            rules = one.get("SecurityGroupIngress", [])
            if {(rule.get("CidrIp"), rule["FromPort"], rule["ToPort"], rule["IpProtocol"]) for rule in rules} != {
                (cidr, port, port, "tcp") for cidr in nodes
            }:
                yield f"{region.name}: {name} is open to {rules}"
            if any(
                rule["IpProtocol"] == "-1" or rule.get("CidrIp") == "0.0.0.0/0" for rule in one["SecurityGroupEgress"]
            ):
                yield f"{region.name}: {name} may reach anything"


def check_endpoints(templates: Templates, model: Topology) -> Iterator[str]:
    """What pods ask of AWS stays in the network, and every packet is accounted for."""
    for region, template in _regions(templates, model, "network"):
        services = {one["ServiceName"].removeprefix(f"com.amazonaws.{region.name}."): one
                    for one in of_type(template, "EC2::VPCEndpoint").values()}  # fmt: skip
        for name in ("secretsmanager", "kms", "eks-auth", "ecr.api", "ecr.dkr", "s3", "logs", "xray", "sts"):
            if name not in services:
                yield f"{region.name}: there is no endpoint of {name}"
        for name, one in services.items():
            if one["VpcEndpointType"] == "Interface" and not one.get("PrivateDnsEnabled"):
                yield f"{region.name}: the endpoint of {name} is not found by its usual name"
        flows = list(of_type(template, "EC2::FlowLog").values())
        if [one.get("TrafficType") for one in flows] != ["ALL"]:
            yield f"{region.name}: flow logs {flows}"


def check_keys(templates: Templates, model: Topology) -> Iterator[str]:
    """Keys rotate and outlive their stack; log groups are encrypted and end."""
    for place, template in templates.items():
        for name, one in template["Resources"].items():
            if one["Type"] == "AWS::KMS::Key":
                if not one["Properties"].get("EnableKeyRotation"):
                    yield f"{place}: {name} does not rotate"
                if one.get("DeletionPolicy") != "Retain":
                    yield f"{place}: {name} goes with its stack, and with it what it encrypted"
            if one["Type"] == "AWS::Logs::LogGroup":
                properties = one["Properties"]
                if "KmsKeyId" not in properties or "RetentionInDays" not in properties:
                    yield f"{place}: {name} is not encrypted or never ends"


def check_clusters(templates: Templates, model: Topology) -> Iterator[str]:
    """The model's cluster, private, with its secrets encrypted and everything logged."""
    for region, template in _regions(templates, model, "cluster"):
        (one,) = of_type(template, "EKS::Cluster").values()
        if (one["Name"], one.get("Version")) != (region.cluster.name, region.cluster.version):
            yield f"{region.name}: the cluster is {one['Name']} {one.get('Version')}"
        reached = one["ResourcesVpcConfig"]
        if reached.get("EndpointPublicAccess") is not False or not reached.get("EndpointPrivateAccess"):
            yield f"{region.name}: the cluster's API is reached from the internet"
        if [entry["Resources"] for entry in one.get("EncryptionConfig", [])] != [["secrets"]]:
            yield f"{region.name}: the cluster's secrets are not encrypted with our key"
        logged = {entry["Type"] for entry in one.get("Logging", {}).get("ClusterLogging", {}).get("EnabledTypes", [])}
        if logged != {"api", "audit", "authenticator", "controllerManager", "scheduler"}:
            yield f"{region.name}: the cluster logs {sorted(logged)}"
        if one["AccessConfig"] != {"AuthenticationMode": "API", "BootstrapClusterCreatorAdminPermissions": False}:
            yield f"{region.name}: whoever made the cluster administers it"
        if not one.get("DeletionProtection"):
            yield f"{region.name}: the cluster can be deleted by mistake"


def check_nodes(templates: Templates, model: Topology) -> Iterator[str]:
    """The model's groups in each zone: machine, number, label, volume; no pod reaches a node's credentials."""
    for region, template in _regions(templates, model, "cluster"):
        found = Counter()
        for one in of_type(template, "EKS::Nodegroup").values():
            scaling = one["ScalingConfig"]
            key = (
                one["NodegroupName"],
                *one["InstanceTypes"],
                scaling["MinSize"],
                scaling["DesiredSize"],
                scaling["MaxSize"],
                one["CapacityType"],
                one["Labels"]["bezant.dev/node-group"],
                len(one["Subnets"]),
            )
            found[key] += 1
        should = Counter(
            (f"{group.name}-{zone}", group.instance_type, group.nodes_per_zone, group.nodes_per_zone,
             group.max_nodes_per_zone, group.capacity.upper(), group.name, 1)
            for group in region.cluster.node_groups for zone in region.availability_zones
        )  # fmt: skip
        if found != should:
            yield f"{region.name}: node groups {sorted(found - should)}, the model says {sorted(should - found)}"
        volumes = Counter()
        for name, one in of_type(template, "EC2::LaunchTemplate").items():
            data = one["LaunchTemplateData"]
            options = data.get("MetadataOptions", {})
            if (options.get("HttpTokens"), options.get("HttpPutResponseHopLimit")) != ("required", 1):
                yield f"{region.name}: pods reach the node's credentials by {name}"
            for volume in data["BlockDeviceMappings"]:
                if not volume["Ebs"].get("Encrypted"):
                    yield f"{region.name}: volumes of {name} are not encrypted"
                volumes[volume["Ebs"]["VolumeSize"]] += 1
        if volumes != Counter(group.volume_gibibytes for group in region.cluster.node_groups):
            yield f"{region.name}: volumes of {sorted(volumes)} GiB"
        addons = {one["AddonName"]: json.loads(one.get("ConfigurationValues", "{}"))
                  for one in of_type(template, "EKS::Addon").values()}  # fmt: skip
        if addons.get("vpc-cni", {}).get("enableNetworkPolicy") != "true":
            yield f"{region.name}: nobody enforces the network policies"
        for name in ("eks-pod-identity-agent", "kube-proxy", "coredns", "aws-ebs-csi-driver", "metrics-server"):
            if name not in addons:
                yield f"{region.name}: the add-on {name} is missing"


def _secret_names() -> Any:
    """Load the names of the secrets alone: the package around them wants libraries that only services have."""
    path = ROOT / "src/bezant/foundation/secrets/names.py"
    spec = importlib.util.spec_from_file_location("names", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def check_identities(templates: Templates, model: Topology) -> Iterator[str]:
    """Each service account of the chart has one role; a service reads its own tenants' secrets and no other's."""
    names = _secret_names()
    tenant = "01900000-0000-7000-8000-000000000000"
    secrets = {service.name: names.tenant_secret_name(tenant, service.name) for service in model.services}
    platform = names.control_secret_name("payment")
    for region, template in _regions(templates, model, "cluster"):
        roles = of_type(template, "IAM::Role")
        found = {}
        for one in of_type(template, "EKS::PodIdentityAssociation").values():
            key = (one["Namespace"], one["ServiceAccount"])
            if key in found:
                yield f"{region.name}: {key} has two roles"
            found[key] = roles[one["RoleArn"]["Fn::GetAtt"][0]]
        wanted = {("bezant", service.name) for service in model.services} | {
            ("bezant", "migrate"), ("bezant-observability", "collector"), ("bezant-observability", "fluent-bit"),
            ("external-secrets", "external-secrets"),
        }  # fmt: skip
        if found.keys() != wanted:
            yield f"{region.name}: identities {sorted(found.keys() ^ wanted)}"
        for (namespace, account), role in found.items():
            yield from _least(f"{region.name}: {namespace}/{account}", role)
        for service in model.services:
            role = found.get(("bezant", service.name))
            if role is None:
                continue
            readable = {name for name, secret in secrets.items() if _may(role, "GetSecretValue", secret)}
            should = {service.name} if service.tenant_databases else set(secrets)
            if readable != should:
                yield f"{region.name}: {service.name} reads the credentials of {sorted(readable)}"
            if _may(role, "GetSecretValue", platform):
                yield f"{region.name}: {service.name} reads platform secrets, which are mounted"
            if _may(role, "PutSecretValue", secrets[service.name]) != (not service.tenant_databases):
                yield f"{region.name}: {service.name} may or may not write credentials, wrongly"


def _statements(role: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for policy in role.get("Policies", []):
        yield from policy["PolicyDocument"]["Statement"]


def _texts(resource: Any) -> str:
    """Return the text of an ARN with its joined parts in their places."""
    if isinstance(resource, dict) and "Fn::Join" in resource:
        return "".join(part if isinstance(part, str) else "X" for part in resource["Fn::Join"][1])
    return str(resource)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _may(role: Mapping[str, Any], action: str, secret: str) -> bool:
    import fnmatch

    return any(
        f"secretsmanager:{action}" in _listed(one["Action"])
        and any(
            fnmatch.fnmatchcase(f"{secret}-AbCdEf", _texts(resource).rpartition(":secret:")[2])
            for resource in _listed(one["Resource"])
        )
        for one in _statements(role)
    )


def _least(place: str, role: Mapping[str, Any]) -> Iterator[str]:
    (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
    if trust["Principal"] != {"Service": "pods.eks.amazonaws.com"}:
        yield f"{place} is trusted to {trust['Principal']}"
    if role.get("ManagedPolicyArns"):
        yield f"{place} has a policy that AWS may widen"
    for one in _statements(role):
        if one["Effect"] != "Allow" or any("*" in action for action in _listed(one["Action"])):
            yield f"{place} may {one['Action']}"
        everything = any(_texts(resource) == "*" for resource in _listed(one["Resource"]))
        if everything and not all(action.startswith("xray:") for action in _listed(one["Action"])):
            yield f"{place} may {one['Action']} on everything"


def check_databases(templates: Templates, model: Topology) -> Iterator[str]:
    """The model's clusters and instances, encrypted, in isolated subnets, kept, with TLS and backups."""
    for region, template in _regions(templates, model, "databases"):
        clusters = of_type(template, "RDS::DBCluster")
        instances = of_type(template, "RDS::DBInstance")
        tiers = [tier for tier in region.aurora if not tier.alternative]
        if len(clusters) != sum(tier.clusters for tier in tiers):
            yield f"{region.name}: {len(clusters)} clusters"
        classes = Counter(one["DBInstanceClass"] for one in instances.values())
        should: Counter[str] = Counter()
        for tier in tiers:
            should[tier.instance_class] += tier.instances
        if classes != should:
            yield f"{region.name}: instances {dict(classes)}, the model says {dict(should)}"
        for name, one in clusters.items():
            yield from _cluster(f"{region.name}: {name}", one, region, model)
        for name, one in instances.items():
            if one.get("PubliclyAccessible") is not False or not one.get("MonitoringInterval"):
                yield f"{region.name}: {name} is reached from outside or not watched"
        yield from _zones(region, template, clusters, instances)
        for name, one in of_type(template, "RDS::DBClusterParameterGroup").items():
            if one["Parameters"].get("rds.force_ssl") != "1":
                yield f"{region.name}: {name} lets in without TLS"


def _cluster(place: str, one: Mapping[str, Any], region: Region, model: Topology) -> Iterator[str]:
    if not one.get("StorageEncrypted") or "KmsKeyId" not in one:
        yield f"{place} is not encrypted with our key"
    if not one.get("DeletionProtection"):
        yield f"{place} can be deleted by mistake"
    if one.get("BackupRetentionPeriod") != model.backups.automated_retention_days:
        yield f"{place} keeps backups for {one.get('BackupRetentionPeriod')} days"
    versions = {tier.engine_version for tier in region.aurora}
    if one.get("EngineVersion") not in versions:
        yield f"{place} is of version {one.get('EngineVersion')}"
    if region.role == "secondary":
        if "MasterUsername" in one or not isinstance(one.get("GlobalClusterIdentifier"), str):
            yield f"{place} does not follow the primary"
    elif "GlobalClusterIdentifier" not in one:
        yield f"{place} reaches no other region"
    elif "resolve:secretsmanager" not in json.dumps(one.get("MasterUserPassword")):
        yield f"{place} has its password in the template"


def _zones(
    region: Region, template: Template, clusters: Mapping[str, Any], instances: Mapping[str, Any]
) -> Iterator[str]:
    """Writers are spread as the model says, readers stand in another zone than their writer."""
    by_cluster: dict[str, list[dict[str, Any]]] = {name: [] for name in clusters}
    for one in instances.values():
        by_cluster[one["DBClusterIdentifier"]["Ref"]].append(one)
    writers: Counter[tuple[str, str]] = Counter()
    for name, members in by_cluster.items():
        first = [one for one in members if one["PromotionTier"] == 0]
        if len(first) != 1:
            yield f"{region.name}: {name} has {len(first)} instances that are first to write"
            continue
        tier = clusters[name]["DBClusterIdentifier"].split("-")[1]
        writers[(tier, first[0]["AvailabilityZone"])] += 1
        zones = [one["AvailabilityZone"] for one in members]
        if len(set(zones)) != len(zones):
            yield f"{region.name}: {name} has two instances in one zone"
    should = Counter(
        {(tier.tier, zone): number for tier in region.aurora if not tier.alternative
         for zone, number in tier.writers_by_zone.items() if number}
    )  # fmt: skip
    if writers != should:
        yield f"{region.name}: writers {dict(writers)}, the model says {dict(should)}"


def check_global_databases(templates: Templates, model: Topology) -> Iterator[str]:
    """Every cluster of the primary is global, its namesake in the secondary follows, its secret is replicated."""
    primary = templates[f"{model.primary.name}/databases"]
    secondary = model.secondary
    assert secondary is not None
    made = {one["GlobalClusterIdentifier"] for one in of_type(primary, "RDS::GlobalCluster").values()}
    following = {
        one.get("GlobalClusterIdentifier")
        for one in of_type(templates[f"{secondary.name}/databases"], "RDS::DBCluster").values()
    }
    if made != following:
        yield f"global databases {sorted(made)} are followed by {sorted(map(str, following))}"
    names = {one["DBClusterIdentifier"] for one in of_type(primary, "RDS::DBCluster").values()}
    if made != names:
        yield f"{sorted(names - made)} are not global"
    secrets = of_type(primary, "SecretsManager::Secret")
    if len(secrets) != len(names):
        yield f"{len(secrets)} administrators for {len(names)} clusters"
    for name, one in secrets.items():
        if [replica["Region"] for replica in one.get("ReplicaRegions", [])] != [secondary.name]:
            yield f"{name} is not where a promotion needs it"
        if "SecretString" in one or one["GenerateSecretString"]["PasswordLength"] < 32:
            yield f"{name} is in the template, or short"


def check_cache(templates: Templates, model: Topology) -> Iterator[str]:
    """The model's shards with their primaries and replicas in its zones, by TLS and with a user."""
    for region, template in _regions(templates, model, "stores"):
        (one,) = of_type(template, "ElastiCache::ReplicationGroup").values()
        assert region.valkey is not None
        found = [(part["PrimaryAvailabilityZone"], tuple(part["ReplicaAvailabilityZones"]))
                 for part in one["NodeGroupConfiguration"]]  # fmt: skip
        if found != [(shard.primary_zone, shard.replica_zones) for shard in region.valkey.shards]:
            yield f"{region.name}: the cache's shards stand in {found}"
        valkey = region.valkey
        is_ = (one["Engine"], one["EngineVersion"], one["CacheNodeType"])
        if is_ != (valkey.engine, valkey.engine_version, valkey.node_type):
            yield f"{region.name}: the cache is {is_}"
        for name in (
            "AutomaticFailoverEnabled",
            "MultiAZEnabled",
            "AtRestEncryptionEnabled",
            "TransitEncryptionEnabled",
        ):
            if one.get(name) is not True:
                yield f"{region.name}: the cache has no {name}"
        if not one.get("UserGroupIds") or one.get("TransitEncryptionMode") != "required":
            yield f"{region.name}: the cache asks nobody who they are"
        for user in of_type(template, "ElastiCache::User").values():
            if "resolve:secretsmanager" not in json.dumps(user["AuthenticationMode"]):
                yield f"{region.name}: the cache's password is in the template"


def check_broker(templates: Templates, model: Topology) -> Iterator[str]:
    """The model's brokers, one in each zone, that keep what they confirmed and know their clients."""
    for region, template in _regions(templates, model, "stores"):
        (one,) = of_type(template, "MSK::Cluster").values()
        kafka = region.kafka
        assert kafka is not None
        group = one["BrokerNodeGroupInfo"]
        found = (one["NumberOfBrokerNodes"], one["KafkaVersion"], group["InstanceType"], len(group["ClientSubnets"]),
                 group["StorageInfo"]["EBSStorageInfo"]["VolumeSize"])  # fmt: skip
        should = (kafka.brokers, kafka.version, kafka.instance_type, len(region.availability_zones),
                  kafka.storage_gigabytes_per_broker)  # fmt: skip
        if found != should:
            yield f"{region.name}: the broker is {found}, the model says {should}"
        known = one["ClientAuthentication"]
        if not known["Sasl"]["Scram"]["Enabled"] or known["Unauthenticated"]["Enabled"]:
            yield f"{region.name}: the broker asks nobody who they are"
        transit = one["EncryptionInfo"]["EncryptionInTransit"]
        if transit != {"ClientBroker": "TLS", "InCluster": True}:
            yield f"{region.name}: the broker speaks {transit}"
        (configuration,) = of_type(template, "MSK::Configuration").values()
        properties = dict(line.split("=") for line in configuration["ServerProperties"].splitlines())
        wanted = {"default.replication.factor": str(kafka.replication_factor),
                  "min.insync.replicas": str(kafka.min_in_sync_replicas), "auto.create.topics.enable": "false",
                  "unclean.leader.election.enable": "false"}  # fmt: skip
        if not wanted.items() <= properties.items():
            yield f"{region.name}: the broker may lose what it confirmed: {properties}"
        names = {secret["Name"]: secret["GenerateSecretString"]["SecretStringTemplate"]
                 for secret in of_type(template, "SecretsManager::Secret").values()}  # fmt: skip
        # with the keys that the chart's external secrets read
        if names != {"AmazonMSK_bezant": '{"username": "bezant"}', "bezant/platform/valkey": '{"user": "bezant"}'}:
            yield f"{region.name}: the stores' secrets are {names}"
        if not of_type(template, "MSK::BatchScramSecret"):
            yield f"{region.name}: the broker does not know its user"


CHECKS: Final[Mapping[str, Callable[[Templates, Topology], Iterator[str]]]] = {
    name: check for name, check in list(globals().items()) if name.startswith("check_")
}
