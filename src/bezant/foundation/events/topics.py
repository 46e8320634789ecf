"""Make the topics that are missing on a broker, with our number of partitions and the platform's replication."""

from typing import Any

from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

from bezant.contracts.events import PARTITIONS

_TIMEOUT_SECONDS = 15.0


def ensure_topics(configuration: dict[str, Any], *, replication_factor: int) -> list[str]:
    """Return what was made. Topics that exist stay as they are. Raises `KafkaException`."""
    client = AdminClient(configuration)
    existing = client.list_topics(timeout=_TIMEOUT_SECONDS).topics
    missing = {name: count for name, count in PARTITIONS.items() if name not in existing}
    if not missing:
        return []
    new = [
        NewTopic(name, num_partitions=count, replication_factor=replication_factor) for name, count in missing.items()
    ]
    for made in client.create_topics(new, request_timeout=_TIMEOUT_SECONDS).values():
        made.result()
    return [f"made the topic {name}" for name in missing]
