"""Envoy's changing configuration: routes, clusters and endpoints.

Routes (RDS), clusters (CDS) and endpoints (EDS) are files that Envoy watches; each is replaced whole by rename(2),
so Envoy sees the old or the new one. In a cluster of machines the mesh and the load balancer do this work; the shapes
are the same: a route per service, one endpoint per replica with its zone, active health checks on /readyz.

Source: https://www.envoyproxy.io/docs/envoy/v1.40.0/api-v3/api
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bezant.local.gateway_replies import not_found_response
from bezant.local.plan import STABLE
from bezant.local.ports import HOST

Config = dict[str, Any]

PUBLIC_ROUTES: Final[Mapping[str, Sequence[str]]] = {
    "tenant": (
        "/v1/tenants",
        "/v1/api-keys",
        "/v1/approvals",
        "/v1/operators",
        "/v1/sign-ins",
        "/v1/sessions",
        "/v1/administrative-acts",
        "/docs",
        "/openapi.json",
        "/static-offline-docs",
    ),
    "account": ("/v1/accounts",),
    "transaction": ("/v1/transfers", "/v1/ledger"),
    "payment": ("/v1/payments", "/v1/idempotency"),
    "fraud": ("/v1/fraud",),
    "notification": ("/v1/webhook-endpoints", "/v1/email-subscriptions", "/v1/email-templates"),
    "audit": ("/v1/audit", "/v1/payments/*/receipt"),
}
"""Which service answers which paths from outside. A path matches whole segments, whatever follows; one with `*` for
a segment matches exactly that, and goes before the others."""

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

BY_CALLER: Final[Sequence[Config]] = ({"header": {"header_name": "authorization"}},)
"""The hash policy under which the requests of one API key go to the same replica."""

ROUTE_TIMEOUT_SECONDS: Final = 15
# shorter than the 75 s for which a service keeps an idle connection, so that it is never the service that closes
UPSTREAM_IDLE_SECONDS: Final = 30
# Requests of one key go to one replica, so that they are carried in groups and each replica holds connections to
# fewer tenants; a replica with more than this share of the mean of active requests passes the rest on to the others
# (https://research.google/pubs/consistent-hashing-with-bounded-loads/).
_HASH_BALANCE_PERCENT: Final = 150
_EXTENSIONS = "type.googleapis.com/envoy.extensions"


def cluster_name(service: str, arm: str) -> str:
    """Return the name of the cluster that holds the replicas of an arm."""
    return service if arm == STABLE else f"{service}-{arm}"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One replica of a service as the gateway sees it."""

    process: str
    port: int
    zone: str
    arm: str = STABLE
    draining: bool = False


def typed(kind: str, **fields: object) -> Config:
    """Return the configuration of one of Envoy's extensions."""
    return {"@type": f"{_EXTENSIONS}.{kind}", **fields}


def from_file(path: Path) -> Config:
    """Return the source of configuration that is a file, replaced whole by rename(2)."""
    return {
        "resource_api_version": "V3",
        "path_config_source": {"path": str(path), "watched_directory": {"path": str(path.parent)}},
    }


def address(port: int) -> Config:
    """Return a socket address on loopback."""
    return {"socket_address": {"address": HOST, "port_value": port}}


def routes(
    name: str,
    table: Mapping[str, Sequence[str]],
    weights: Mapping[str, Mapping[str, int]],
    *,
    hash_policy: Sequence[Config] = (),
) -> Config:
    """Return a route configuration (RDS). `weights` splits a service's requests over clusters; by default all of
    them go to the cluster that is called like the service. `hash_policy` says what chooses the replica.
    """
    entries = [
        {
            "name": f"{service}:{path}",
            "match": _match(path),
            "stat_prefix": f"{name}_{service}_{path.strip('/').replace('/', '_').replace('.', '_').replace('*', 'id')}",
            "route": {
                **_target(service, weights.get(service, {})),
                "hash_policy": list(hash_policy),
                "timeout": f"{ROUTE_TIMEOUT_SECONDS}s",
                "retry_policy": {
                    # only what provably never reached a handler is sent again
                    "retry_on": "connect-failure,refused-stream,reset-before-request",
                    "num_retries": 3,
                    "retry_host_predicate": [
                        {
                            "name": "envoy.retry_host_predicates.previous_hosts",
                            "typed_config": typed(
                                "retry.host.previous_hosts.v3.PreviousHostsPredicate",
                            ),
                        }
                    ],
                    "host_selection_retry_max_attempts": 3,
                    "retry_back_off": {"base_interval": "0.025s", "max_interval": "0.25s"},
                },
            },
        }
        for service, path in _by_precedence(table)
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


def _by_precedence(table: Mapping[str, Sequence[str]]) -> list[tuple[str, str]]:
    """Return (service, path), patterns first: the gateway takes the first that matches."""
    pairs = [(service, path) for service, paths in table.items() for path in paths]
    return sorted(pairs, key=lambda pair: "*" not in pair[1])


def _match(path: str) -> Config:
    if "*" not in path:
        return {"path_separated_prefix": path}
    segments = ("[^/]+" if segment == "*" else re.escape(segment) for segment in path.split("/"))
    return {"safe_regex": {"regex": "/".join(segments)}}


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
        # by the route's hash; without one, at random
        "lb_policy": "MAGLEV",
        "eds_cluster_config": {"service_name": name, "eds_config": from_file(endpoints_file)},
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
            "consistent_hashing_lb_config": {"hash_balance_factor": _HASH_BALANCE_PERCENT},
        },
        "circuit_breakers": {
            "thresholds": [
                {"max_connections": 1024, "max_pending_requests": 4096, "max_requests": 8192, "max_retries": 64}
            ]
        },
        "upstream_connection_options": {"tcp_keepalive": {"keepalive_time": 60}},
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": typed(
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
                        "endpoint": {"address": address(member.port), "hostname": member.process},
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
