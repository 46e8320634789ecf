"""What a process works on at once: its bounds are in order, and its times end one inside the other."""

from collections.abc import Iterator

from bezant.topology.rules.rule import Deployment, Found, rule


@rule(
    "admission-bounds", "error", "The limit of a process has room to move, and starts inside",
    reason="A limit that cannot fall takes more than is finished in time; one that cannot rise refuses what could be.",
    source="docs/overload.md",
)  # fmt: skip
def bounds(deployment: Deployment) -> Iterator[Found]:
    """Smallest below initial below largest."""
    stated = deployment.topology.admission
    if stated is not None and not stated.smallest < stated.initial < stated.largest:
        yield Found(
            "admission", "the limit does not start between its bounds, or cannot move",
            (f"not {stated.smallest} < {stated.initial} < {stated.largest}",), "smallest below initial below largest",
        )  # fmt: skip


@rule(
    "admission-times", "error", "Waiting for room ends before the target, and the target before the deadline",
    reason="A request that waits longer for room than it may take is answered too late either way. A database that is "
    "away has to be told within the deadline, and a request at the limit to be finished well within it.",
    source="docs/overload.md",
)  # fmt: skip
def times(deployment: Deployment) -> Iterator[Found]:
    """Queue below a tenth of the target, target and the wait for a connection below half of the deadline."""
    stated, pools = deployment.topology.admission, deployment.topology.pools
    if stated is None:
        return
    if stated.queue_milliseconds * 10 > stated.target_milliseconds:
        yield Found(
            "admission.queue_milliseconds", "requests wait for room longer than a tenth of the target",
            (f"10 × {stated.queue_milliseconds} > {stated.target_milliseconds}",), "a tenth of the target at most",
        )  # fmt: skip
    half = stated.deadline_seconds * 1000 / 2
    if stated.target_milliseconds > half:
        yield Found(
            "admission.target_milliseconds", "requests at the limit have little time left for anything that goes wrong",
            (f"{stated.target_milliseconds} > {stated.deadline_seconds} × 1000 / 2 = {half:g}",),
            "half of the deadline at most",
        )  # fmt: skip
    checkout = pools.checkout_timeout_seconds
    if checkout is not None and checkout * 1000 > half:
        yield Found(
            "admission.deadline_seconds", "a request may end before it is told that its database is away",
            (f"{checkout:g} > {stated.deadline_seconds} / 2",), "at least twice the wait for a connection",
        )  # fmt: skip
