"""The Valkey cluster client of a process."""

from redis.asyncio.cluster import ClusterNode, RedisCluster
from redis.asyncio.retry import Retry
from redis.backoff import ConstantBackoff

from bezant.foundation.secrets import SecretStore, platform_secret_name
from bezant.foundation.settings import Settings


async def open_valkey(settings: Settings, secrets: SecretStore) -> RedisCluster:
    """Return a cluster client; it connects on its first command, so that a process starts without Valkey.

    With TLS the credential is the secret `bezant/platform/valkey`.
    """
    nodes = []
    for address in settings.valkey_nodes.split(","):
        host, _, port = address.strip().rpartition(":")
        nodes.append(ClusterNode(host, int(port)))
    credential = await secrets.read(platform_secret_name("valkey")) if settings.valkey_tls else {}
    return RedisCluster(
        startup_nodes=nodes,
        username=credential.get("user"),
        password=credential.get("password"),
        ssl=settings.valkey_tls,
        ssl_ca_certs=settings.valkey_ca_file,
        socket_timeout=settings.valkey_timeout_seconds,
        socket_connect_timeout=settings.valkey_timeout_seconds,
        require_full_coverage=False,
        cluster_error_retry_attempts=1,
        retry=Retry(ConstantBackoff(0.01), 1),
    )
