"""Settings of the Kafka client (librdkafka), the same for producers and consumers."""

import logging
from typing import Any

from bezant.foundation.secrets import SecretMissing, SecretStore, platform_secret_name
from bezant.foundation.settings import Settings

_log = logging.getLogger("bezant.kafka")


async def kafka_configuration(settings: Settings, secrets: SecretStore) -> dict[str, Any]:
    """Return the librdkafka properties for reaching the broker; SASL credentials come from the secret store."""
    configuration: dict[str, Any] = {
        "bootstrap.servers": settings.kafka_bootstrap,
        "security.protocol": settings.kafka_security_protocol,
        "client.id": settings.instance_id,
        "reconnect.backoff.ms": 50,
        "reconnect.backoff.max.ms": 500,
        "socket.timeout.ms": 5000,
        "topic.metadata.refresh.interval.ms": 10_000,
        "broker.address.family": "v4",
        "log_level": 3,
        "logger": _log,
    }
    if settings.kafka_ssl_ca_location:
        configuration["ssl.ca.location"] = settings.kafka_ssl_ca_location
    if settings.kafka_security_protocol == "SASL_SSL":
        credential = await secrets.read(platform_secret_name("kafka"))
        if not {"user", "password"} <= credential.keys():
            raise SecretMissing(platform_secret_name("kafka"))
        configuration |= {
            "sasl.mechanism": settings.kafka_sasl_mechanism,
            "sasl.username": credential["user"],
            "sasl.password": credential["password"],
        }
    return configuration
