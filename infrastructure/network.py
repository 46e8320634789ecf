"""The network of a region: the model's subnets to the letter, NAT in each zone, endpoints, flow logs, security groups.

Databases stand in subnets without a route to the internet. Pods take addresses of the node subnets.
"""

from typing import Any, Final

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from constructs import Construct

from bezant.topology.model.network import Region, Subnet, SubnetTier
from infrastructure.accepted import accept
from infrastructure.encryption import encryption_key
from infrastructure.roles import service_role

INTERFACE_ENDPOINTS: Final = (
    "secretsmanager", "kms", "rds", "sts", "eks", "eks-auth", "ec2", "ecr.api", "ecr.dkr", "elasticloadbalancing",
    "autoscaling", "logs", "monitoring", "xray",
)  # fmt: skip
"""What pods and nodes ask of AWS, so that it does not go through the NAT gateways."""
STORE_PORTS: Final = {"databases": 5432, "cache": 6379, "broker": 9096}
_ROLE_TAGS: Final[dict[str, str]] = {"public": "kubernetes.io/role/elb", "nodes": "kubernetes.io/role/internal-elb"}
"""By which the load balancer controller finds subnets."""
_ROTATION_REACHES: Final[tuple[tuple[str, int, SubnetTier], ...]] = (
    ("databases", STORE_PORTS["databases"], "isolated"),
    ("endpoints", 443, "nodes"),
)
FLOW_LOG_DAYS: Final = 365


class NetworkStack(cdk.Stack):
    """A VPC with its subnets; `public`, `nodes` and `isolated` are subnet ids by zone."""

    def __init__(self, scope: Construct, construct_id: str, *, region: Region, **kwargs: Any) -> None:
        super().__init__(scope, construct_id, **kwargs)
        self._region = region
        self.key: kms.Key = encryption_key(self, "Key", "what the network logs", also_for=("logs",))
        self.vpc = ec2.CfnVPC(
            self,
            "Vpc",
            cidr_block=region.network.cidr,
            enable_dns_hostnames=True,
            enable_dns_support=True,
            tags=[cdk.CfnTag(key="Name", value=region.network.vpc_name)],
        )
        accept(
            self.vpc,
            "CloudFormation cannot change it; nothing is in it, and docs/operations/aws.md empties it once",
            "*VPCDefaultSecurityGroupClosed",
        )
        self._subnets = {(one.tier, one.zone): self._subnet(one) for one in region.network.subnets}
        self.public = self._by_zone("public")
        self.nodes = self._by_zone("nodes")
        self.isolated = self._by_zone("isolated")
        self._routes()
        self.store_groups = {name: self._store_group(name, port) for name, port in STORE_PORTS.items()}
        databases = self.store_groups["databases"].attr_group_id
        cdk.CfnOutput(self, "DatabaseSecurityGroup", value=databases, description="tenantDatabases.securityGroupIds")
        self.rotation_group = self._rotation_group()
        self._endpoints()
        self._flow_logs()

    def _by_zone(self, tier: SubnetTier) -> dict[str, str]:
        return {zone: subnet.ref for (of_tier, zone), subnet in self._subnets.items() if of_tier == tier}

    def _subnet(self, subnet: Subnet) -> ec2.CfnSubnet:
        tags = [cdk.CfnTag(key="Name", value=f"{self._region.network.vpc_name}-{subnet.tier}-{subnet.zone}")]
        if subnet.tier in _ROLE_TAGS:
            tags.append(cdk.CfnTag(key=_ROLE_TAGS[subnet.tier], value="1"))
        return ec2.CfnSubnet(
            self,
            f"Subnet-{subnet.tier}-{subnet.zone}",
            vpc_id=self.vpc.ref,
            availability_zone=subnet.zone,
            cidr_block=subnet.cidr,
            map_public_ip_on_launch=False,
            tags=tags,
        )

    def _routes(self) -> None:
        """Public subnets go out directly, node subnets by the NAT gateway of their zone, isolated ones not at all."""
        gateway = ec2.CfnInternetGateway(self, "InternetGateway")
        attached = ec2.CfnVPCGatewayAttachment(
            self, "InternetGatewayAttachment", vpc_id=self.vpc.ref, internet_gateway_id=gateway.ref
        )
        public = ec2.CfnRouteTable(self, "Routes-public", vpc_id=self.vpc.ref)
        way_out = ec2.CfnRoute(
            self, "Route-public", route_table_id=public.ref, destination_cidr_block="0.0.0.0/0", gateway_id=gateway.ref
        )
        way_out.add_resource_dependency(attached)
        accept(
            way_out,
            "load balancer and NAT gateways stand in these subnets, and nothing else",
            "*VPCNoUnrestrictedRouteToIGW",
        )
        gateways = {zone: self._nat_gateway(zone, attached) for zone in self._region.network.nat_gateway_zones}
        self._tables = {("public", zone): public for zone in self._region.availability_zones}
        for zone in self._region.availability_zones:
            for tier in ("nodes", "isolated"):
                self._tables[(tier, zone)] = ec2.CfnRouteTable(self, f"Routes-{tier}-{zone}", vpc_id=self.vpc.ref)
            ec2.CfnRoute(
                self,
                f"Route-nodes-{zone}",
                route_table_id=self._tables[("nodes", zone)].ref,
                destination_cidr_block="0.0.0.0/0",
                # a zone without its own gateway would depend on another zone: the model's rules refuse it
                nat_gateway_id=gateways[zone].ref,
            )
        for (tier, zone), subnet in self._subnets.items():
            ec2.CfnSubnetRouteTableAssociation(
                self, f"Routes-of-{tier}-{zone}", subnet_id=subnet.ref, route_table_id=self._tables[(tier, zone)].ref
            )

    def _nat_gateway(self, zone: str, attached: ec2.CfnVPCGatewayAttachment) -> ec2.CfnNatGateway:
        address = ec2.CfnEIP(self, f"Address-{zone}", domain="vpc")
        address.add_resource_dependency(attached)
        return ec2.CfnNatGateway(
            self,
            f"Nat-{zone}",
            subnet_id=self._subnets[("public", zone)].ref,
            allocation_id=address.attr_allocation_id,
        )

    def _cidrs(self, tier: SubnetTier) -> list[str]:
        return [subnet.cidr for subnet in self._region.network.subnets if subnet.tier == tier]

    def _group(self, name: str, description: str, port: int) -> ec2.CfnSecurityGroup:
        """Return a group that nodes and their pods may reach on one port, and that reaches nothing itself."""
        return ec2.CfnSecurityGroup(
            self,
            f"SecurityGroup-{name}",
            group_description=description,
            vpc_id=self.vpc.ref,
            security_group_ingress=[
                ec2.CfnSecurityGroup.IngressProperty(
                    ip_protocol="tcp", from_port=port, to_port=port, cidr_ip=cidr, description=f"pods to {name}"
                )
                for cidr in self._cidrs("nodes")
            ],
            # CloudFormation opens everything where no rule stands; this one leads nowhere
            security_group_egress=[
                ec2.CfnSecurityGroup.EgressProperty(
                    ip_protocol="icmp", from_port=252, to_port=86, cidr_ip="255.255.255.255/32", description="nothing"
                )
            ],
        )

    def _store_group(self, name: str, port: int) -> ec2.CfnSecurityGroup:
        return self._group(name, f"Bezant {name}: from pods alone", port)

    def _rotation_group(self) -> ec2.CfnSecurityGroup:
        """Return the group of the functions that replace passwords: to the databases and to Secrets Manager alone."""
        return ec2.CfnSecurityGroup(
            self,
            "SecurityGroup-rotation",
            group_description="Bezant password rotation: to the databases and to the endpoints of AWS alone",
            vpc_id=self.vpc.ref,
            security_group_egress=[
                ec2.CfnSecurityGroup.EgressProperty(
                    ip_protocol="tcp", from_port=port, to_port=port, cidr_ip=cidr, description=f"rotation to {to}"
                )
                for to, port, tier in _ROTATION_REACHES
                for cidr in self._cidrs(tier)
            ],
        )

    def _endpoints(self) -> None:
        group = self._group("endpoints", "Bezant endpoints of AWS: from pods and nodes alone", 443)
        for service in INTERFACE_ENDPOINTS:
            ec2.CfnVPCEndpoint(
                self,
                f"Endpoint-{service}",
                vpc_id=self.vpc.ref,
                service_name=f"com.amazonaws.{self._region.name}.{service}",
                vpc_endpoint_type="Interface",
                private_dns_enabled=True,
                subnet_ids=list(self.nodes.values()),
                security_group_ids=[group.attr_group_id],
            )
        ec2.CfnVPCEndpoint(
            self,
            "Endpoint-s3",
            vpc_id=self.vpc.ref,
            service_name=f"com.amazonaws.{self._region.name}.s3",
            vpc_endpoint_type="Gateway",
            route_table_ids=[self._tables[("nodes", zone)].ref for zone in self._region.availability_zones],
        )

    def _flow_logs(self) -> None:
        group = logs.CfnLogGroup(
            self,
            "FlowLogs",
            log_group_name=f"/bezant/{self._region.network.vpc_name}/flows",
            retention_in_days=FLOW_LOG_DAYS,
            kms_key_id=self.key.key_arn,
        )
        write = ["logs:CreateLogStream", "logs:PutLogEvents", "logs:DescribeLogStreams"]
        role = service_role(
            self,
            "FlowLogsRole",
            "vpc-flow-logs",
            statements=[{"Effect": "Allow", "Action": write, "Resource": group.attr_arn}],
            only_this_account=True,
        )
        ec2.CfnFlowLog(
            self,
            "Flows",
            resource_id=self.vpc.ref,
            resource_type="VPC",
            traffic_type="ALL",
            log_destination_type="cloud-watch-logs",
            log_group_name=group.ref,
            deliver_logs_permission_arn=role.attr_arn,
            max_aggregation_interval=60,
        )
