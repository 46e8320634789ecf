"""All stacks of a model: `python -m infrastructure.app [MODEL]` writes the templates to cdk.out, without AWS.

Each region has a network, a cluster, databases, a cache and a broker; the secondary's databases follow the primary's.
Accounts are not named: CloudFormation fills them in, so that one synthesis serves every account.
"""

import os
import sys
from collections.abc import Iterator
from typing import Final

import aws_cdk as cdk

from bezant.topology.errors import NotStated, TopologyError
from bezant.topology.loading import load_model
from bezant.topology.model.deployment import Topology
from bezant.topology.model.network import Region
from infrastructure.cluster import ClusterStack
from infrastructure.databases import DatabaseStack
from infrastructure.network import NetworkStack
from infrastructure.stores import StoreStack

PREFIX: Final = "Bezant"
_ADD_ONS: Final = {"coredns"}
"""Platform workloads that are add-ons of the cluster and sized by the model."""


def build(topology: Topology, *, outdir: str | None = None) -> cdk.App:
    """Return the app with every region's stacks. Raises `NotStated` with every place that the model leaves open."""
    if places := sorted(_open_places(topology)):
        raise NotStated(topology.name, places, what="the stacks")
    app = cdk.App(outdir=outdir, analytics_reporting=False)
    cdk.Validations.of(app).acknowledge(
        cdk.Acknowledgment(
            id="CloudFormation-Validate::W3010",
            reason="the model names the zones: subnets, node groups and writers are spread over them on purpose",
        )
    )
    primary: DatabaseStack | None = None
    for region in sorted(topology.regions, key=lambda one: one.role != "primary"):
        databases = _region(app, topology, region)
        if primary is None:
            primary = databases
        else:
            # a secondary joins global databases that must be there
            databases.add_stack_dependency(primary, reason="its clusters join the primary's global databases")
    return app


def _open_places(topology: Topology) -> Iterator[str]:
    for region in topology.regions:
        place = f"regions[{region.name}]"
        zones = set(region.availability_zones)
        if region.network.cidr is None:
            yield f"{place}.network.cidr"
        for tier in ("public", "nodes", "isolated"):
            if {subnet.zone for subnet in region.network.subnets if subnet.tier == tier} != zones:
                yield f"{place}.network.subnets (tier: {tier})"
        if set(region.network.nat_gateway_zones) != zones:
            yield f"{place}.network.nat_gateway_zones"
        if region.cluster.version is None:
            yield f"{place}.cluster.version"
        for group in region.cluster.node_groups:
            if group.volume_gibibytes is None:
                yield f"{place}.cluster.node_groups[{group.name}].volume_gibibytes"
        for one in region.aurora:
            if one.engine_version is None:
                yield f"{place}.aurora[{one.tier}].engine_version"
            if sum(one.writers_by_zone.values()) != one.clusters:
                yield f"{place}.aurora[{one.tier}].writers_by_zone"
    for workload in _ADD_ONS - {one.name for one in topology.platform}:
        yield f"platform[{workload}]"


def _region(app: cdk.App, topology: Topology, region: Region) -> DatabaseStack:
    environment = cdk.Environment(region=region.name)
    tags = {"bezant:model": topology.name, "bezant:role": region.role}

    def name(part: str) -> str:
        return f"{PREFIX}-{region.name}-{part}"

    network = NetworkStack(app, name("network"), region=region, env=environment, tags=tags)
    ClusterStack(app, name("cluster"), topology=topology, region=region, network=network, env=environment, tags=tags)
    StoreStack(app, name("stores"), region=region, network=network, env=environment, tags=tags)
    return DatabaseStack(
        app, name("databases"), topology=topology, region=region, network=network, env=environment, tags=tags
    )


def main() -> None:
    """Write the templates of the model that is named, `production` by default."""
    model = sys.argv[1] if len(sys.argv) > 1 else "production"
    try:
        app = build(load_model(model), outdir=os.environ.get("CDK_OUTDIR", "cdk.out"))
    except TopologyError as error:
        sys.exit(f"bezant: {error}")
    assembly = app.synth()
    for stack in assembly.stacks:
        print(f"{stack.stack_name}: {len(stack.template.get('Resources', {}))} resources")  # noqa: T201 - its output


if __name__ == "__main__":
    main()
