"""The EKS cluster of a region: a managed node group for each of the model's groups in each zone, add-ons, identities.

A group in each zone, and not one over all: the autoscaler then grows the zone in which a pod finds no node.
"""

import json
from typing import Any, Final

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_eks_v2 as eks
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from constructs import Construct

from bezant.topology.model.deployment import Topology
from bezant.topology.model.network import NodeGroup, Region
from infrastructure.encryption import encryption_key
from infrastructure.identities import identities
from infrastructure.network import NetworkStack
from infrastructure.roles import service_role
from infrastructure.spot import interruptions, on_spot

LOG_TYPES: Final = ("api", "audit", "authenticator", "controllerManager", "scheduler")
LOG_DAYS: Final = 365
NODE_GROUP_LABEL: Final = "bezant.dev/node-group"
NODE_POLICIES: Final = (
    "AmazonEKSWorkerNodePolicy",
    "AmazonEC2ContainerRegistryPullOnly",
    "AmazonSSMManagedInstanceCore",
)
CONTAINER_INSIGHTS: Final = "amazon-cloudwatch-observability"
BEFORE_NODES: Final = ("vpc-cni", "kube-proxy", "eks-pod-identity-agent")
"""Add-ons that run on the nodes' own network: no node is ready without them. The others wait for ready nodes."""
CNI_POLICIES: Final = ("AmazonEKS_CNI_Policy",)


class ClusterStack(cdk.Stack):
    """The cluster with its nodes. Its API is reached from inside the network alone."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        topology: Topology,
        region: Region,
        network: NetworkStack,
        **kwargs: Any,
    ) -> None:
        super().__init__(scope, construct_id, **kwargs)
        self._topology, self._region, self._network = topology, region, network
        self.key = encryption_key(self, "Key", "the cluster's secrets, logs and nodes", also_for=("logs",))
        self.cluster = self._cluster()
        add_ons = self._add_ons()
        nodes = self._nodes()
        for name, add_on in add_ons.items():
            for group in nodes:
                first, then = (add_on, group) if name in BEFORE_NODES else (group, add_on)
                then.add_resource_dependency(first)
        if on_spot(region.cluster):
            interruptions(self, region.cluster)
        self._identities()
        self._administrators()

    def _administrators(self) -> None:
        """Let one role of the account administer the cluster: without an entry nobody could, its creator included.

        The API is private. People reach it through Session Manager on one of the nodes (docs/operations/install.md).
        """
        role = cdk.CfnParameter(
            self,
            "AdministratorRoleArn",
            description="The IAM role that installs and operates the cluster",
            allowed_pattern="arn:aws[a-z-]*:iam::[0-9]{12}:role/.+",
        )
        eks.CfnAccessEntry(
            self,
            "Administrators",
            cluster_name=self.cluster.ref,
            principal_arn=role.value_as_string,
            access_policies=[
                eks.CfnAccessEntry.AccessPolicyProperty(
                    policy_arn=f"arn:{self.partition}:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy",
                    access_scope=eks.CfnAccessEntry.AccessScopeProperty(type="cluster"),
                )
            ],
        )

    def _cluster(self) -> eks.CfnCluster:
        name = self._region.cluster.name
        log_group = logs.CfnLogGroup(
            self,
            "Logs",
            # the name that EKS writes to
            log_group_name=f"/aws/eks/{name}/cluster",
            retention_in_days=LOG_DAYS,
            kms_key_id=self.key.key_arn,
        )
        role = service_role(self, "ClusterRole", "eks", managed=("AmazonEKSClusterPolicy",))
        cluster = eks.CfnCluster(
            self,
            "Cluster",
            name=name,
            version=self._region.cluster.version,
            role_arn=role.attr_arn,
            resources_vpc_config=eks.CfnCluster.ResourcesVpcConfigProperty(
                subnet_ids=list(self._network.nodes.values()),
                endpoint_private_access=True,
                endpoint_public_access=False,
            ),
            encryption_config=[
                eks.CfnCluster.EncryptionConfigProperty(
                    resources=["secrets"], provider=eks.CfnCluster.ProviderProperty(key_arn=self.key.key_arn)
                )
            ],
            access_config=eks.CfnCluster.AccessConfigProperty(
                authentication_mode="API", bootstrap_cluster_creator_admin_permissions=False
            ),
            logging=eks.CfnCluster.LoggingProperty(
                cluster_logging=eks.CfnCluster.ClusterLoggingProperty(
                    enabled_types=[eks.CfnCluster.LoggingTypeConfigProperty(type=one) for one in LOG_TYPES]
                )
            ),
            # a version is not left to run into extended support, which costs six times as much
            upgrade_policy=eks.CfnCluster.UpgradePolicyProperty(support_type="STANDARD"),
            bootstrap_self_managed_addons=False,
            deletion_protection=True,
        )
        cluster.add_resource_dependency(log_group)
        return cluster

    def _nodes(self) -> list[eks.CfnNodegroup]:
        role = service_role(self, "NodeRole", "ec2", managed=NODE_POLICIES)
        made = []
        for group in self._region.cluster.node_groups:
            template = self._launch_template(group)
            for zone in self._region.availability_zones:
                one = eks.CfnNodegroup(
                    self,
                    f"Nodes-{group.name}-{zone}",
                    cluster_name=self.cluster.ref,
                    nodegroup_name=f"{group.name}-{zone}",
                    node_role=role.attr_arn,
                    subnets=[self._network.nodes[zone]],
                    instance_types=[group.instance_type],
                    capacity_type=group.capacity.upper(),
                    ami_type="AL2023_x86_64_STANDARD",
                    labels={NODE_GROUP_LABEL: group.name},
                    scaling_config=eks.CfnNodegroup.ScalingConfigProperty(
                        min_size=group.nodes_per_zone,
                        desired_size=group.nodes_per_zone,
                        max_size=group.max_nodes_per_zone or group.nodes_per_zone,
                    ),
                    update_config=eks.CfnNodegroup.UpdateConfigProperty(max_unavailable=1),
                    launch_template=eks.CfnNodegroup.LaunchTemplateSpecificationProperty(
                        id=template.ref, version=template.attr_latest_version_number
                    ),
                )
                made.append(one)
        return made

    def _launch_template(self, group: NodeGroup) -> ec2.CfnLaunchTemplate:
        return ec2.CfnLaunchTemplate(
            self,
            f"Machine-{group.name}",
            launch_template_data=ec2.CfnLaunchTemplate.LaunchTemplateDataProperty(
                # pods cannot reach the node's credentials: one hop, and tokens alone
                metadata_options=ec2.CfnLaunchTemplate.MetadataOptionsProperty(
                    http_tokens="required", http_put_response_hop_limit=1, http_endpoint="enabled"
                ),
                monitoring=ec2.CfnLaunchTemplate.MonitoringProperty(enabled=True),
                block_device_mappings=[
                    ec2.CfnLaunchTemplate.BlockDeviceMappingProperty(
                        device_name="/dev/xvda",
                        ebs=ec2.CfnLaunchTemplate.EbsProperty(
                            volume_type="gp3",
                            volume_size=group.volume_gibibytes,
                            encrypted=True,
                            delete_on_termination=True,
                        ),
                    )
                ],
            ),
        )

    def _add_ons(self) -> dict[str, eks.CfnAddon]:
        cni = {
            "enableNetworkPolicy": "true",
            "env": {"WARM_ENI_TARGET": str(self._region.cluster.warm_eni_target)},
        }
        roles = {
            "vpc-cni": ("aws-node", self._pod_role("CniRole", *CNI_POLICIES)),
            "aws-ebs-csi-driver": (
                "ebs-csi-controller-sa",
                self._pod_role("VolumesRole", "service-role/AmazonEBSCSIDriverPolicy"),
            ),
            CONTAINER_INSIGHTS: ("cloudwatch-agent", self._pod_role("InsightsRole", "CloudWatchAgentServerPolicy")),
        }
        made = {}
        for name, configuration in (
            ("eks-pod-identity-agent", None),
            ("vpc-cni", cni),
            ("kube-proxy", None),
            ("coredns", {"replicaCount": self._replicas("coredns")}),
            ("aws-ebs-csi-driver", None),
            ("metrics-server", None),
            (CONTAINER_INSIGHTS, self._insights()),
        ):
            account = roles.get(name)
            made[name] = eks.CfnAddon(
                self,
                f"AddOn-{name}",
                addon_name=name,
                cluster_name=self.cluster.ref,
                configuration_values=None if configuration is None else json.dumps(configuration, sort_keys=True),
                resolve_conflicts="OVERWRITE",
                pod_identity_associations=None
                if account is None
                else [
                    eks.CfnAddon.PodIdentityAssociationProperty(
                        service_account=account[0], role_arn=account[1].attr_arn
                    )
                ],
            )
        return made

    def _insights(self) -> dict[str, Any]:
        """Return the settings of Container Insights: metrics alone, since logs are the chart's; sized by the model."""
        agent = next((one for one in self._region.cluster.daemonsets if one.name == "cloudwatch-agent"), None)
        settings: dict[str, Any] = {"containerLogs": {"enabled": False}}
        if agent is not None and agent.cpu_millicores and agent.memory_mebibytes:
            settings["agent"] = {
                "resources": {
                    "requests": {"cpu": f"{agent.cpu_millicores}m", "memory": f"{agent.memory_mebibytes}Mi"},
                    "limits": {"memory": f"{agent.memory_mebibytes}Mi"},
                }
            }
        return settings

    def _pod_role(self, name: str, *policies: str) -> iam.CfnRole:
        return service_role(self, name, "pods.eks", managed=policies, tag_session=True)

    def _replicas(self, workload: str) -> int:
        one = next(one for one in self._topology.platform if one.name == workload)
        return one.replicas if self._region.role == "primary" else one.standby_replicas or one.replicas

    def _identities(self) -> None:
        for (namespace, account), statements in identities(
            self._topology,
            partition=self.partition,
            region=self._region.name,
            account=self.account,
            cluster=self._region.cluster,
        ).items():
            role = service_role(
                self,
                f"Role-{namespace}-{account}",
                "pods.eks",
                statements=statements,
                tag_session=True,
                only_for={
                    "eks-cluster-name": self._region.cluster.name,
                    "kubernetes-namespace": namespace,
                    "kubernetes-service-account": account,
                },
            )
            eks.CfnPodIdentityAssociation(
                self,
                f"Identity-{namespace}-{account}",
                cluster_name=self.cluster.ref,
                namespace=namespace,
                service_account=account,
                role_arn=role.attr_arn,
            )
