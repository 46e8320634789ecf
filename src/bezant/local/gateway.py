"""Envoy's configuration: the public listener, the internal one, and what may change while it runs.

Routes (RDS), clusters (CDS) and endpoints (EDS) are files that Envoy watches; each is replaced whole by rename(2),
so Envoy sees the old or the new one. In a cluster of machines the mesh and the load balancer do this work; the shapes
are the same: a route per service, one endpoint per replica with its zone, active health checks on /readyz.

Source: https://www.envoyproxy.io/docs/envoy/v1.40.0/api-v3/api
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bezant.local.gateway_replies import local_replies, not_found_response
from bezant.local.ports import HOST, Ports

Config = dict[str, Any]

PUBLIC_ROUTES: Final[Mapping[str, Sequence[str]]] = {
    "tenant": ("/v1/tenants", "/v1/api-keys", "/docs", "/openapi.json", "/static-offline-docs"),
    "account": ("/v1/accounts",),
    "transaction": ("/v1/transfers", "/v1/ledger"),
    "payment": ("/v1/payments", "/v1/idempotency"),
    "fraud": ("/v1/fraud",),
    "notification": ("/v1/webhook-endpoints",),
    "audit": ("/v1/audit",),
}
"""Which service answers which paths from outside. A path matches whole segments, whatever follows."""

INTERNAL_ROUTES: Final[Mapping[str, Sequence[str]]] = {
    "tenant": ("/internal/v1/tenants", "/internal/v1/tenant"),
    "account": ("/internal/v1/accounts", "/internal/v1/account"),
    "transaction": ("/internal/v1/ledger", "/internal/v1/transaction"),
    "payment": ("/internal/v1/payments", "/internal/v1/payment"),
    "fraud": ("/internal/v1/assessments", "/internal/v1/fraud"),
    "notification": ("/internal/v1/notification",),
    "audit": ("/internal/v1/audit",),
}
"""Which service answers calls from other services; reachable on the internal listener alone."""

ROUTE_TIMEOUT_SECONDS: Final = 15
BODY_LIMIT_BYTES: Final = 1024 * 1024
HEADERS_LIMIT_KIB: Final = 32
# shorter than the 75 s for which a service keeps an idle connection, so that it is never the service that closes
UPSTREAM_IDLE_SECONDS: Final = 30
MAX_CONNECTIONS: Final = 10_000
_EXTENSIONS = "type.googleapis.com/envoy.extensions"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One replica of a service as the gateway sees it."""

    process: str
    port: int
    zone: str
    draining: bool = False


def _typed(kind: str, **fields: object) -> Config:
    return {"@type": f"{_EXTENSIONS}.{kind}", **fields}


def bootstrap(*, ports: Ports, directory: Path, access_log: Path, node_id: str = "gateway-0") -> Config:
    """Return the part that is fixed while Envoy runs. `directory` holds the files of the other parts."""
    return {
        "node": {"id": node_id, "cluster": "bezant-gateway", "locality": {"region": "us-east-1"}},
        "admin": {"address": _address(ports.gateway_admin)},
        "dynamic_resources": {
            "cds_config": _from_file(directory / "clusters.json"),
        },
        "static_resources": {
            "listeners": [
                _listener(
                    "public",
                    ports.gateway,
                    direction="INBOUND",
                    manager=_connection_manager("public", directory, access_log, from_outside=True),
                ),
                _listener(
                    "internal",
                    ports.internal_gateway,
                    direction="OUTBOUND",
                    manager=_connection_manager("internal", directory, None, from_outside=False),
                ),
            ],
        },
        "overload_manager": {
            "resource_monitors": [
                {
                    "name": "envoy.resource_monitors.global_downstream_max_connections",
                    "typed_config": _typed(
                        "resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig",
                        max_active_downstream_connections=MAX_CONNECTIONS,
                    ),
                }
            ]
        },
        # metrics by route and by cluster, without the hundreds that nobody reads
        "stats_config": {"stats_matcher": {"exclusion_list": {"patterns": [{"prefix": "listener_manager.worker"}]}}},
    }


def _from_file(path: Path) -> Config:
    return {
        "resource_api_version": "V3",
        "path_config_source": {"path": str(path), "watched_directory": {"path": str(path.parent)}},
    }


def _address(port: int) -> Config:
    return {"socket_address": {"address": HOST, "port_value": port}}


def _listener(name: str, port: int, *, direction: str, manager: Config) -> Config:
    return {
        "name": name,
        "address": _address(port),
        "traffic_direction": direction,
        "stat_prefix": name,
        # a second Envoy on the same port must fail instead of taking half of the connections
        "enable_reuse_port": False,
        "per_connection_buffer_limit_bytes": BODY_LIMIT_BYTES,
        "filter_chains": [
            {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
        ],
    }


def _connection_manager(name: str, directory: Path, access_log: Path | None, *, from_outside: bool) -> Config:
    filters: list[Config] = []
    if from_outside:
        filters.append(
            {
                "name": "envoy.filters.http.buffer",
                "typed_config": _typed("filters.http.buffer.v3.Buffer", max_request_bytes=BODY_LIMIT_BYTES),
            }
        )
    filters.append({"name": "envoy.filters.http.router", "typed_config": _typed("filters.http.router.v3.Router")})
    manager = _typed(
        "filters.network.http_connection_manager.v3.HttpConnectionManager",
        stat_prefix=name,
        codec_type="AUTO",
        server_name="bezant",
        rds={"route_config_name": name, "config_source": _from_file(directory / f"routes-{name}.json")},
        http_filters=filters,
        local_reply_config=local_replies(),
        normalize_path=True,
        merge_slashes=True,
        path_with_escaped_slashes_action="REJECT_REQUEST",
        stream_idle_timeout="30s",
        # the listener drains within this; see `--drain-time-s`
        drain_timeout="1s",
        delayed_close_timeout="1s",
        max_request_headers_kb=HEADERS_LIMIT_KIB,
        common_http_protocol_options={
            "idle_timeout": "300s",
            "headers_with_underscores_action": "REJECT_REQUEST" if from_outside else "ALLOW",
        },
    )
    if from_outside:
        manager |= {
            # the peer is the client: nobody in front may say otherwise, and a request id is always ours
            "use_remote_address": True,
            # with no range Envoy trusts loopback and private addresses; this one is no machine's (RFC 5737)
            "internal_address_config": {"cidr_ranges": [{"address_prefix": "192.0.2.0", "prefix_len": 32}]},
            "always_set_request_id_in_response": True,
            "request_headers_timeout": "10s",
            "request_timeout": "15s",
        }
    if access_log is not None:
        manager["access_log"] = [_access_log(access_log)]
    return manager


def _access_log(path: Path) -> Config:
    # neither the query nor any header that may hold a credential is written
    fields = {
        "time": "%START_TIME%",
        "request_id": "%REQ(X-REQUEST-ID)%",
        "traceparent": "%REQ(TRACEPARENT)%",
        "method": "%REQ(:METHOD)%",
        "path": "%PATH(NQ)%",
        "route": "%ROUTE_NAME%",
        "status": "%RESPONSE_CODE%",
        "flags": "%RESPONSE_FLAGS%",
        "details": "%RESPONSE_CODE_DETAILS%",
        "bytes_received": "%BYTES_RECEIVED%",
        "bytes_sent": "%BYTES_SENT%",
        "duration_milliseconds": "%DURATION%",
        "upstream": "%UPSTREAM_HOST%",
        "attempts": "%UPSTREAM_REQUEST_ATTEMPT_COUNT%",
    }
    return {
        "name": "envoy.access_loggers.file",
        "typed_config": _typed(
            "access_loggers.file.v3.FileAccessLog", path=str(path), log_format={"json_format": fields}
        ),
    }


def routes(name: str, table: Mapping[str, Sequence[str]], weights: Mapping[str, Mapping[str, int]]) -> Config:
    """Return a route configuration (RDS). `weights` splits a service's requests over clusters; by default all of
    them go to the cluster that is called like the service.
    """
    entries = [
        {
            "name": f"{service}:{path}",
            "match": {"path_separated_prefix": path},
            "stat_prefix": f"{name}_{service}_{path.strip('/').replace('/', '_').replace('.', '_')}",
            "route": {
                **_target(service, weights.get(service, {})),
                "timeout": f"{ROUTE_TIMEOUT_SECONDS}s",
                "retry_policy": {
                    # only what provably never reached a handler is sent again
                    "retry_on": "connect-failure,refused-stream,reset-before-request",
                    "num_retries": 3,
                    "retry_host_predicate": [
                        {
                            "name": "envoy.retry_host_predicates.previous_hosts",
                            "typed_config": _typed(
                                "retry.host.previous_hosts.v3.PreviousHostsPredicate",
                            ),
                        }
                    ],
                    "host_selection_retry_max_attempts": 3,
                    "retry_back_off": {"base_interval": "0.025s", "max_interval": "0.25s"},
                },
            },
        }
        for service, paths in table.items()
        for path in paths
    ]
    entries.append(
        {"name": "not-found", "match": {"prefix": "/"}, "direct_response": not_found_response()},
    )
    return {
        "@type": "type.googleapis.com/envoy.config.route.v3.RouteConfiguration",
        "name": name,
        "validate_clusters": True,
        "virtual_hosts": [{"name": name, "domains": ["*"], "routes": entries}],
    }


def _target(service: str, weights: Mapping[str, int]) -> Config:
    if not weights:
        return {"cluster": service}
    return {
        "weighted_clusters": {"clusters": [{"name": cluster, "weight": weight} for cluster, weight in weights.items()]}
    }


def cluster(name: str, endpoints_file: Path) -> Config:
    """Return a cluster (CDS) whose endpoints stand in a file of their own."""
    return {
        "@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster",
        "name": name,
        "type": "EDS",
        "connect_timeout": "1s",
        "lb_policy": "LEAST_REQUEST",
        "eds_cluster_config": {"service_name": name, "eds_config": _from_file(endpoints_file)},
        "health_checks": [
            {
                "timeout": "1s",
                "interval": "1s",
                # before a cluster has had traffic, and while a replica is down, look more often
                "no_traffic_interval": "0.25s",
                "no_traffic_healthy_interval": "1s",
                "unhealthy_interval": "0.25s",
                "unhealthy_threshold": 2,
                "healthy_threshold": 1,
                "http_health_check": {"path": "/readyz", "host": "gateway-health-check"},
            }
        ],
        # a replica that was taken off the list gets nothing more, healthy or not
        "ignore_health_on_host_removal": True,
        "common_lb_config": {
            # with no replica ready the answer is 503 at once; the default would try the unready ones
            "healthy_panic_threshold": {"value": 0},
            # by default a change of health within 1 s of another waits, and requests go to the dead meanwhile
            "update_merge_window": "0s",
        },
        "circuit_breakers": {
            "thresholds": [
                {"max_connections": 1024, "max_pending_requests": 4096, "max_requests": 8192, "max_retries": 64}
            ]
        },
        "upstream_connection_options": {"tcp_keepalive": {"keepalive_time": 60}},
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": _typed(
                "upstreams.http.v3.HttpProtocolOptions",
                explicit_http_config={"http_protocol_options": {}},
                common_http_protocol_options={"idle_timeout": f"{UPSTREAM_IDLE_SECONDS}s"},
            )
        },
    }


def endpoints(cluster_name: str, members: Sequence[Endpoint]) -> Config:
    """Return the endpoints of a cluster (EDS), grouped by zone."""
    zones = sorted({member.zone for member in members})
    return {
        "@type": "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
        "cluster_name": cluster_name,
        "endpoints": [
            {
                "locality": {"region": zone.rstrip("abcdef"), "zone": zone},
                "lb_endpoints": [
                    {
                        "endpoint": {"address": _address(member.port), "hostname": member.process},
                        "health_status": "DRAINING" if member.draining else "UNKNOWN",
                    }
                    for member in members
                    if member.zone == zone
                ],
            }
            for zone in zones
        ],
    }


def discovery_response(resources: Sequence[Config]) -> Config:
    """Wrap resources as the discovery response that Envoy expects in a file."""
    return {"resources": list(resources)}
