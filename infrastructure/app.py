"""All stacks of a model: `python -m infrastructure.app [MODEL]` writes the templates to cdk.out, without AWS.

Each region has a network, a cluster, databases, a cache and a broker; the secondary's databases follow the primary's.
Accounts are not named: CloudFormation fills them in, so that one synthesis serves every account.
"""

import os
import sys
from typing import Any, Final, NamedTuple

import aws_cdk as cdk

from bezant.topology.errors import NotStated, TopologyError
from bezant.topology.loading import load_model
from bezant.topology.model.deployment import Topology
from bezant.topology.model.edge import Edge
from bezant.topology.model.network import Region
from bezant.topology.model.observability import Observability
from infrastructure.backups import BackupStack
from infrastructure.cluster import ClusterStack
from infrastructure.databases import DatabaseStack
from infrastructure.dns import DnsStack
from infrastructure.edge import EdgeStack
from infrastructure.images import ImageStack
from infrastructure.network import NetworkStack
from infrastructure.open_places import open_places
from infrastructure.operations import OperationsStack, TopicStack
from infrastructure.stores import StoreStack

PREFIX: Final = "Bezant"


def build(topology: Topology, *, outdir: str | None = None) -> cdk.App:
    """Return the app with every region's stacks. Raises `NotStated` with every place that the model leaves open."""
    if places := sorted(open_places(topology)):
        raise NotStated(topology.name, places, what="the stacks")
    app = cdk.App(outdir=outdir, analytics_reporting=False)
    cdk.Validations.of(app).acknowledge(
        cdk.Acknowledgment(
            id="CloudFormation-Validate::W3010",
            reason="the model names the zones: subnets, node groups and writers are spread over them on purpose",
        )
    )
    edge, observability = topology.edge, topology.observability
    assert edge is not None
    assert observability is not None
    made = [
        _region(app, topology, edge, observability, region) for region in sorted(topology.regions, key=_primary_first)
    ]
    for secondary in made[1:]:
        # a secondary joins global databases that must be there
        secondary.databases.add_stack_dependency(
            made[0].databases, reason="its clusters join the primary's global databases"
        )
        made[0].backups.add_stack_dependency(secondary.backups, reason="its snapshots are copied to that vault")
        made[0].images.add_stack_dependency(secondary.images, reason="its images are copied to that repository")
    dns = DnsStack(
        app,
        f"{PREFIX}-{topology.primary.name}-dns",
        topology=topology,
        edge=edge,
        topic_arn=made[0].topic.topic_arn,
        env=cdk.Environment(region=topology.primary.name),
        tags={"bezant:model": topology.name},
    )
    for one in made:
        dns.add_stack_dependency(one.edge, reason="its records lead to the regions' names, its checks ask their alarms")
    return app


def _primary_first(region: Region) -> bool:
    return region.role != "primary"


class _Made(NamedTuple):
    databases: DatabaseStack
    edge: EdgeStack
    topic: TopicStack
    backups: BackupStack
    images: ImageStack


def _region(app: cdk.App, topology: Topology, edge: Edge, observability: Observability, region: Region) -> _Made:
    environment = cdk.Environment(region=region.name)
    tags = {"bezant:model": topology.name, "bezant:role": region.role}

    def name(part: str) -> str:
        return f"{PREFIX}-{region.name}-{part}"

    both: dict[str, Any] = {"env": environment, "tags": tags}
    network = NetworkStack(app, name("network"), region=region, **both)
    cluster = ClusterStack(app, name("cluster"), topology=topology, region=region, network=network, **both)
    StoreStack(app, name("stores"), region=region, network=network, **both)
    databases = DatabaseStack(app, name("databases"), topology=topology, region=region, network=network, **both)
    topic = TopicStack(app, name("topic"), region=region, **both)
    way_in = EdgeStack(
        app,
        name("edge"),
        topology=topology,
        edge=edge,
        region=region,
        network=network,
        cluster_security_group=cluster.cluster.attr_cluster_security_group_id,
        topic_arn=topic.topic_arn,
        **both,
    )
    OperationsStack(
        app,
        name("operations"),
        topology=topology,
        observability=observability,
        region=region,
        edge=way_in,
        topic_arn=topic.topic_arn,
        **both,
    )
    backups = BackupStack(app, name("backups"), topology=topology, region=region, topic_arn=topic.topic_arn, **both)
    images = ImageStack(app, name("images"), topology=topology, region=region, **both)
    return _Made(databases=databases, edge=way_in, topic=topic, backups=backups, images=images)


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
