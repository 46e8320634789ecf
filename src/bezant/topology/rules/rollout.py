"""Rolling updates, shutting down, probes."""

import math
from collections.abc import Iterator

from bezant.topology.model.workloads import Workload
from bezant.topology.rules.rule import Deployment, Found, rule


def _behind_load_balancer(deployment: Deployment, targets: str) -> list[tuple[str, Workload]]:
    topology = deployment.topology
    if targets == "services":
        return [(f"services[{service.name}]", service) for service in topology.services if service.exposed]
    return [(f"platform[{one.name}]", one) for one in topology.platform if one.name == "gateway"]


@rule(
    "grace-shorter-than-deregistration", "error", "A pod outlives its deregistration from the load balancer",
    reason="Until the deregistration delay is over the load balancer may send to the pod; one that is killed before "
    "answers with 502.",
    source="https://docs.aws.amazon.com/elasticloadbalancing/latest/application/edit-target-group-attributes.html#deregistration-delay",
)  # fmt: skip
def deregistration(deployment: Deployment) -> Iterator[Found]:
    """The grace of what stands behind each load balancer against its delay."""
    reported: set[str] = set()
    for region in deployment.topology.regions:
        for balancer in region.load_balancers:
            delay = balancer.deregistration_delay_seconds
            short = [
                (place, workload)
                for place, workload in _behind_load_balancer(deployment, balancer.targets)
                if workload.termination_grace_seconds < balancer.deregistration_delay_seconds and place not in reported
            ]
            if short:
                place, worst = min(short, key=lambda pair: pair[1].termination_grace_seconds)
                names = ", ".join(workload.name for _, workload in short)
                reported.update(found_place for found_place, _ in short)
                yield Found(
                    f"{place}.termination_grace_seconds",
                    f"{len(short)} workloads ({names}) are killed while {balancer.name} still sends to them",
                    (
                        f"{worst.termination_grace_seconds:g} s of grace < {delay:g} s of deregistration delay: "
                        f"{delay - worst.termination_grace_seconds:g} s in which requests are lost",
                    ),
                    "a delay of 30 s, a pre-stop pause of at least that, and grace for both and the shutdown",
                )


@rule(
    "shutdown-cut-short", "error", "The grace covers the pre-stop pause and the shutdown",
    reason="SIGKILL ends whatever is in hand: payments stay `processing` until they are resolved.",
    source="https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-termination",
    assumes=("pre_stop_minimum_seconds", "shutdown_seconds"),
)  # fmt: skip
def shutdown(deployment: Deployment) -> Iterator[Found]:
    """Pre-stop + shutdown against grace; and a pre-stop pause long enough for the removal to spread."""
    topology, assumed = deployment.topology, deployment.assumptions
    unstated = [service.name for service in topology.services if service.pre_stop_seconds is None]
    if unstated:
        yield Found(
            "services[*].pre_stop_seconds", f"the pre-stop pause is not stated for {', '.join(unstated)}",
            (f"new requests reach a pod for some {assumed.pre_stop_minimum_seconds:g} s after its removal begins",),
            f"a pre-stop pause of at least {assumed.pre_stop_minimum_seconds:g} s",
        )  # fmt: skip
    for kind, workloads in (("services", topology.services), ("platform", topology.platform)):
        for workload in workloads:
            if workload.pre_stop_seconds is None:
                continue
            needed = assumed.shutdown_seconds if workload.shutdown_seconds is None else workload.shutdown_seconds
            total = workload.pre_stop_seconds + needed
            place = f"{kind}[{workload.name}].termination_grace_seconds"
            if total > workload.termination_grace_seconds:
                yield Found(
                    place, f"{total:g} s are needed, {workload.termination_grace_seconds:g} s are given",
                    (f"{workload.pre_stop_seconds:g} s pause + {needed:g} s shutdown = {total:g} s",), "a longer grace",
                )  # fmt: skip
            if kind == "services" and workload.pre_stop_seconds < assumed.pre_stop_minimum_seconds:
                yield Found(
                    f"{kind}[{workload.name}].pre_stop_seconds", "the pod stops before its removal has spread",
                    (f"{workload.pre_stop_seconds:g} s < {assumed.pre_stop_minimum_seconds:g} s",), "a longer pause",
                )  # fmt: skip


@rule(
    "update-loses-capacity", "warning", "An update keeps every replica serving",
    reason="maxUnavailable above 0 takes pods away before new ones are ready.",
    source="https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#max-unavailable",
)  # fmt: skip
def unavailable(deployment: Deployment) -> Iterator[Found]:
    """Services that allow unavailable pods."""
    topology = deployment.topology
    for kind, workloads in (("services", topology.services), ("platform", topology.platform)):
        for workload in workloads:
            count = workload.rollout.max_unavailable
            if count > 0:
                yield Found(
                    f"{kind}[{workload.name}].rollout.max_unavailable",
                    f"{count} of {workload.replicas} pods may be missing during an update",
                    (f"{workload.replicas} - {count} = {workload.replicas - count} serve",), "maxUnavailable 0",
                )  # fmt: skip


@rule(
    "rolling-update-duration", "warning", "The stated duration of a rolling update follows from its parts",
    reason="A time-out set from the shorter figure aborts healthy updates.",
    source="https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#progress-deadline-seconds",
)  # fmt: skip
def duration(deployment: Deployment) -> Iterator[Found]:
    """Rounds x the time for a pod to become ready, of the service with the most rounds."""
    stated = deployment.topology.statements.rolling_update_minutes
    if stated is None:
        return
    rounds = {
        service.name: math.ceil(service.replicas / max(1, service.rollout.max_surge + service.rollout.max_unavailable))
        for service in deployment.topology.services
    }
    service = max(deployment.topology.services, key=lambda each: rounds[each.name])
    ready, count = service.rollout.pod_ready_minutes, rounds[service.name]
    low, high = count * ready.low, count * ready.high
    if (low, high) != (stated.low, stated.high):
        pace = service.rollout.max_surge + service.rollout.max_unavailable
        yield Found(
            "statements.rolling_update_minutes", f"{low:g}-{high:g} minutes follow, {stated} are stated",
            (f"{service.name}: {service.replicas} pods / {pace} at a time = {count} rounds × {ready} min = "
             f"{low:g}-{high:g} min",), f"{low:g}-{high:g} minutes",
        )  # fmt: skip


@rule(
    "probes-unstated", "error", "Every service has startup, readiness and liveness probes with numbers",
    reason="An update waits for readiness and a restart for liveness: without numbers neither can be generated.",
    source="https://kubernetes.io/docs/concepts/configuration/liveness-readiness-startup-probes/",
)  # fmt: skip
def probes(deployment: Deployment) -> Iterator[Found]:
    """Services whose probes are not given."""
    bare = [
        service.name
        for service in deployment.topology.services
        if service.probes is None
        or None in (service.probes.startup, service.probes.readiness, service.probes.liveness)
    ]  # fmt: skip
    if bare:
        yield Found(
            "services[*].probes", f"probes are not given for {', '.join(bare)}",
            (f"{len(bare)} of {len(deployment.topology.services)} services have no paths, periods or thresholds",),
            "paths, periods and thresholds for all three",
        )  # fmt: skip


@rule(
    "liveness-faster-than-readiness", "warning", "A slow pod is taken out of service before it is restarted",
    reason="Liveness that gives up first restarts pods that only needed a pause, under the very load that slowed them.",
    source="https://kubernetes.io/docs/concepts/configuration/liveness-readiness-startup-probes/",
)  # fmt: skip
def liveness(deployment: Deployment) -> Iterator[Found]:
    """Period x threshold of both; and a time-out that is no longer than the period."""
    for service in deployment.topology.services:
        if service.probes is None or service.probes.readiness is None or service.probes.liveness is None:
            continue
        out = service.probes.readiness.period_seconds * service.probes.readiness.failure_threshold
        dead = service.probes.liveness.period_seconds * service.probes.liveness.failure_threshold
        if dead <= out:
            yield Found(
                f"services[{service.name}].probes", f"restarted after {dead} s, taken out after {out} s",
                (f"liveness {dead} s <= readiness {out} s",), "a liveness probe that waits longer",
            )  # fmt: skip
        for name in ("startup", "readiness", "liveness"):
            probe = getattr(service.probes, name)
            if probe is not None and probe.timeout_seconds > probe.period_seconds:
                yield Found(
                    f"services[{service.name}].probes.{name}", "a probe begins before the last one has timed out",
                    (f"{probe.timeout_seconds} s > {probe.period_seconds} s",), "a time-out within the period",
                )  # fmt: skip
        startup, ready_high = service.probes.startup, service.rollout.pod_ready_minutes.low * 60
        if startup is not None and startup.period_seconds * startup.failure_threshold < ready_high:
            given = startup.period_seconds * startup.failure_threshold
            yield Found(
                f"services[{service.name}].probes.startup", "a pod that starts as fast as stated is killed",
                (f"{startup.period_seconds} s × {startup.failure_threshold} = {given} s < {ready_high:g} s",),
                "a higher failure threshold",
            )  # fmt: skip
