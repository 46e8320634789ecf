"""The broker and its topics."""

from collections.abc import Iterator

from bezant.topology.rules.rule import Deployment, Found, rule


@rule(
    "kafka-missing", "error", "Every region that serves has a broker for its topics",
    reason="Events are published and consumed, yet nothing carries them: not drawn, not priced, not recovered.",
    source="https://docs.aws.amazon.com/msk/latest/developerguide/what-is-msk.html",
)  # fmt: skip
def kafka_missing(deployment: Deployment) -> Iterator[Found]:
    """Regions without Kafka, if there are topics."""
    topics = deployment.topology.topics
    for region in deployment.topology.regions:
        if topics and region.kafka is None:
            yield Found(
                f"regions[{region.name}].kafka",
                f"no broker in {region.name} for {', '.join(topic.name for topic in topics)}",
                (f"{len(topics)} topics, 0 brokers",), "an MSK cluster of three brokers in three zones",
            )  # fmt: skip


@rule(
    "kafka-replication", "error", "The loss of one zone leaves every partition writable",
    reason="With acks=all a write needs min.insync.replicas; one zone lost must leave that many.",
    source="https://docs.aws.amazon.com/msk/latest/developerguide/bestpractices.html",
)  # fmt: skip
def kafka_replication(deployment: Deployment) -> Iterator[Found]:
    """Replicas that are left when a zone is lost, and an even share of brokers a zone."""
    for region in deployment.topology.regions:
        kafka, zones = region.kafka, len(region.availability_zones)
        if kafka is None:
            continue
        place = f"regions[{region.name}].kafka"
        if kafka.brokers % zones:
            yield Found(
                place, f"{kafka.brokers} brokers do not divide over {zones} zones",
                (f"{kafka.brokers} / {zones} = {kafka.brokers / zones:.1f}",), "as many brokers in each zone",
            )  # fmt: skip
        in_one_zone = -(-kafka.replication_factor // zones)
        left = kafka.replication_factor - in_one_zone
        if left < kafka.min_in_sync_replicas or kafka.min_in_sync_replicas < 2:
            yield Found(
                place, "a lost zone stops writes, or leaves a single copy",
                (f"{kafka.replication_factor} replicas - {in_one_zone} in the lost zone = {left}; "
                 f"{kafka.min_in_sync_replicas} must be in sync, and 2 at least to survive one more loss",),
                "replication factor 3, min.insync.replicas 2",
            )  # fmt: skip


@rule(
    "topic-reaches-one-instance", "error", "An event that every instance needs reaches every instance",
    reason="A consumer group hands each event to one member: with three pods a service, two never learn of the tenant.",
    source="https://kafka.apache.org/documentation/#intro_consumers",
)  # fmt: skip
def one_instance(deployment: Deployment) -> Iterator[Found]:
    """Topics whose delivery is less than what is needed."""
    services = deployment.topology.services
    pods = sum(service.replicas for service in services)
    for topic in deployment.topology.topics:
        if topic.needed_by == "every_instance" and topic.delivery != "every_instance":
            yield Found(
                f"topics[{topic.name}].delivery",
                f"{len(services)} of {pods} pods get the event",
                (f"{len(services)} consumer groups × 1 member = {len(services)}; {pods - len(services)} pods do not",),
                "a consumer group of its own for each process, and lazy look-up on a tenant's first request",
            )  # fmt: skip
