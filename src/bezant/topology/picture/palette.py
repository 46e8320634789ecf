"""Colours of workloads: the services apart from each other, the platform in greys."""

from typing import Final

from bezant.topology.model.deployment import Topology

_SERVICES: Final = (
    ("#3157d5", "#ffffff"), ("#d1495b", "#ffffff"), ("#2a9d8f", "#ffffff"), ("#7a4fbf", "#ffffff"),
    ("#e39b23", "#2b1d00"), ("#4f7a28", "#ffffff"), ("#0e7fa8", "#ffffff"), ("#a8478f", "#ffffff"),
    ("#8a6d3b", "#ffffff"), ("#5a5f9e", "#ffffff"),
)  # fmt: skip
_PLATFORM: Final = ("#dfe4ec", "#2c3648")
_CODES: Final = {
    "payment": "pay", "fraud": "frd", "account": "acc", "transaction": "txn", "notification": "ntf", "audit": "aud",
    "tenant": "ten", "gateway": "gw", "istiod": "mesh", "coredns": "dns", "load-balancer-controller": "lbc",
    "external-secrets": "sec", "cluster-autoscaler": "scal", "argo-rollouts": "roll", "metrics-server": "metr",
    "prometheus": "prom",
}  # fmt: skip


def colours(topology: Topology) -> dict[str, tuple[str, str]]:
    """Return fill and ink of each workload by name."""
    chosen = {service.name: _SERVICES[n % len(_SERVICES)] for n, service in enumerate(topology.services)}
    return chosen | {workload.name: _PLATFORM for workload in topology.platform}


def code(name: str) -> str:
    """Return the few letters that stand for a workload on a chip."""
    return _CODES.get(name, name[:4])
