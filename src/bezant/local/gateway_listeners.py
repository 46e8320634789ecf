"""Envoy's fixed configuration: the public listener, the internal one, and what each lets through.

Source: https://www.envoyproxy.io/docs/envoy/v1.40.0/api-v3/api
"""

from pathlib import Path
from typing import Final

from bezant.local.gateway import Config, address, from_file, typed
from bezant.local.gateway_replies import local_replies
from bezant.local.gateway_throttle import throttle_script
from bezant.local.ports import Ports

BODY_LIMIT_BYTES: Final = 1024 * 1024
HEADERS_LIMIT_KIB: Final = 32
MAX_CONNECTIONS: Final = 10_000


def bootstrap(*, ports: Ports, directory: Path, access_log: Path, node_id: str = "gateway-0") -> Config:
    """Return the part that is fixed while Envoy runs. `directory` holds the files of the other parts."""
    return {
        "node": {"id": node_id, "cluster": "bezant-gateway", "locality": {"region": "us-east-1"}},
        "admin": {"address": address(ports.gateway_admin)},
        "dynamic_resources": {
            "cds_config": from_file(directory / "clusters.json"),
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
                    "typed_config": typed(
                        "resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig",
                        max_active_downstream_connections=MAX_CONNECTIONS,
                    ),
                }
            ]
        },
        # metrics by route and by cluster, without the hundreds that nobody reads
        "stats_config": {"stats_matcher": {"exclusion_list": {"patterns": [{"prefix": "listener_manager.worker"}]}}},
    }


def _listener(name: str, port: int, *, direction: str, manager: Config) -> Config:
    return {
        "name": name,
        "address": address(port),
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
        filters += [
            # before the body is waited for
            {
                "name": "envoy.filters.http.lua",
                "typed_config": typed(
                    "filters.http.lua.v3.Lua", default_source_code={"inline_string": throttle_script()}
                ),
            },
            {
                "name": "envoy.filters.http.buffer",
                "typed_config": typed("filters.http.buffer.v3.Buffer", max_request_bytes=BODY_LIMIT_BYTES),
            },
        ]
    filters.append({"name": "envoy.filters.http.router", "typed_config": typed("filters.http.router.v3.Router")})
    manager = typed(
        "filters.network.http_connection_manager.v3.HttpConnectionManager",
        stat_prefix=name,
        codec_type="AUTO",
        server_name="bezant",
        rds={"route_config_name": name, "config_source": from_file(directory / f"routes-{name}.json")},
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
        "typed_config": typed(
            "access_loggers.file.v3.FileAccessLog", path=str(path), log_format={"json_format": fields}
        ),
    }
