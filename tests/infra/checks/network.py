"""Addresses, ways, security groups, endpoints."""

from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

from bezant.topology.model.deployment import Topology
from bezant.topology.model.network import Region

from .templates import Templates, of_type, regions

ASKED: Final = {
    "secretsmanager": "services and the rotation read", "kms": "secrets are decrypted with",
    "rds": "the tenant service makes clusters at", "sts": "roles are taken on at", "eks": "nodes join by",
    "eks-auth": "pods get their roles from", "ec2": "the network and volume plug-ins call",
    "ecr.api": "nodes ask for images", "ecr.dkr": "nodes ask for images", "s3": "images lie in",
    "elasticloadbalancing": "pods are registered at", "autoscaling": "the node autoscaler calls",
    "logs": "the log collector writes to", "monitoring": "Container Insights writes to",
    "xray": "the trace collector writes to",
}  # fmt: skip
"""Services of AWS that something in the network asks."""


def check_subnets(templates: Templates, model: Topology) -> Iterator[str]:
    """The model's network and subnets, to the letter, and nothing public by itself."""
    for region, template in regions(templates, model, "network"):
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
    for region, template in regions(templates, model, "network"):
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
    for region, template in regions(templates, model, "network"):
        nodes = {one.cidr for one in region.network.subnets if one.tier == "nodes"}
        groups = of_type(template, "EC2::SecurityGroup")
        yield from _rotation(region, [groups.pop(name) for name in list(groups) if name.endswith("rotation")])
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


def _rotation(region: Region, groups: list[dict[str, Any]]) -> Iterator[str]:
    """Functions that replace passwords are reached by nobody, and reach databases and endpoints alone."""
    cidrs = {tier: {one.cidr for one in region.network.subnets if one.tier == tier} for tier in ("nodes", "isolated")}
    should = {(cidr, 5432, 5432) for cidr in cidrs["isolated"]} | {(cidr, 443, 443) for cidr in cidrs["nodes"]}
    for one in groups:
        out = {(rule["CidrIp"], rule["FromPort"], rule["ToPort"]) for rule in one["SecurityGroupEgress"]}
        if out != should or one.get("SecurityGroupIngress"):
            yield f"{region.name}: the rotation of passwords reaches {sorted(out)}"
    if len(groups) != 1:
        yield f"{region.name}: {len(groups)} groups for the rotation of passwords"


def check_endpoints(templates: Templates, model: Topology) -> Iterator[str]:
    """What pods ask of AWS stays in the network, and every packet is accounted for."""
    for region, template in regions(templates, model, "network"):
        services = {one["ServiceName"].removeprefix(f"com.amazonaws.{region.name}."): one
                    for one in of_type(template, "EC2::VPCEndpoint").values()}  # fmt: skip
        for name, who in ASKED.items():
            if name not in services:
                yield f"{region.name}: there is no endpoint of {name}, which {who}"
        if unasked := sorted(services.keys() - ASKED.keys()):
            yield f"{region.name}: nobody asks {unasked}, which are paid for by the hour in each zone"
        for name, one in services.items():
            if one["VpcEndpointType"] == "Interface" and not one.get("PrivateDnsEnabled"):
                yield f"{region.name}: the endpoint of {name} is not found by its usual name"
            if one["VpcEndpointType"] == "Interface" and len(one["SubnetIds"]) != len(region.availability_zones):
                yield f"{region.name}: the endpoint of {name} is lost with a zone"
        flows = list(of_type(template, "EC2::FlowLog").values())
        if [one.get("TrafficType") for one in flows] != ["ALL"]:
            yield f"{region.name}: flow logs {flows}"
