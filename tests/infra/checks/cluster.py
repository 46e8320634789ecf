"""EKS: the cluster, its nodes, add-ons, identities."""

import json
from collections import Counter
from collections.abc import Iterator

from bezant.topology.model.deployment import Topology

from .templates import Templates, of_type, regions, text


def check_clusters(templates: Templates, model: Topology) -> Iterator[str]:
    """The model's cluster, private, with its secrets encrypted and everything logged."""
    for region, template in regions(templates, model, "cluster"):
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
    for region, template in regions(templates, model, "cluster"):
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


def check_order(templates: Templates, model: Topology) -> Iterator[str]:
    """No node is ready without its network, and nothing that runs on nodes is waited for before there are some."""
    for region, template in regions(templates, model, "cluster"):
        resources = template["Resources"]
        waits = {name: set(one.get("DependsOn", [])) for name, one in resources.items()}
        nodes = set(of_type(template, "EKS::Nodegroup"))
        for name, one in of_type(template, "EKS::Addon").items():
            first = one["AddonName"] in ("vpc-cni", "kube-proxy", "eks-pod-identity-agent")
            late = [node for node in nodes if name not in waits[node]] if first else nodes - waits[name]
            if late:
                yield f"{region.name}: {one['AddonName']} {'comes after' if first else 'does not wait for'} nodes"


def check_somebody_may_administer(templates: Templates, model: Topology) -> Iterator[str]:
    """The API is private and has one entry: a role that the account names, reached by Session Manager on a node."""
    for region, template in regions(templates, model, "cluster"):
        entries = list(of_type(template, "EKS::AccessEntry").values())
        if [one["PrincipalArn"] for one in entries] != [{"Ref": "AdministratorRoleArn"}]:
            yield f"{region.name}: the cluster is administered by {entries}"
        policies = [text(part["PolicyArn"]).rpartition("/")[2] for one in entries for part in one["AccessPolicies"]]
        if policies != ["AmazonEKSClusterAdminPolicy"]:
            yield f"{region.name}: the administrators may {policies}"
        nodes = [
            text(arn) for one in of_type(template, "IAM::Role").values() for arn in one.get("ManagedPolicyArns", [])
        ]
        if not any(arn.endswith("AmazonSSMManagedInstanceCore") for arn in nodes):
            yield f"{region.name}: no way leads to the private API"
