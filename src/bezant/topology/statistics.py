"""What a canary's numbers can show: sample sizes, power, and the odds of aborting a healthy rollout.

Sources: two-proportion test with unpooled variance (Fleiss, Statistical Methods for Rates and Proportions, ch. 4);
binomial tails are summed exactly.
"""

import math
from statistics import NormalDist

_NORMAL = NormalDist()


def samples_to_see_drop(
    *, healthy: float, degraded: float, stable_per_canary: float, confidence: float, power: float
) -> int:
    """Return the requests that the canary must serve for a drop of the success rate to be seen.

    Rates are shares of 1. `stable_per_canary`: requests to the stable version for each one to the canary. The test is
    two-sided at `confidence`; the drop is seen with probability `power`.
    """
    if degraded >= healthy:
        raise ValueError(f"no drop from {healthy} to {degraded}")
    z = _NORMAL.inv_cdf(0.5 + confidence / 2) + _NORMAL.inv_cdf(power)
    variance = degraded * (1 - degraded) + healthy * (1 - healthy) / stable_per_canary
    return math.ceil(z * z * variance / (healthy - degraded) ** 2)


def binomial_above(samples: int, rate: float, at_most: int) -> float:
    """Return the probability of more than `at_most` events in so many samples."""
    if rate <= 0 or at_most >= samples:
        return 0.0
    log_rate, log_rest = math.log(rate), math.log1p(-rate)
    below = 0.0
    for events in range(at_most + 1):
        ways = math.lgamma(samples + 1) - math.lgamma(events + 1) - math.lgamma(samples - events + 1)
        below += math.exp(ways + events * log_rate + (samples - events) * log_rest)
    return min(1.0, max(0.0, 1 - below))


def drop_by_chance(*, healthy: float, drop: float, canary_samples: float, stable_samples: float) -> float:
    """Return the probability that two equally healthy versions differ by more than the drop (normal approximation)."""
    if canary_samples <= 0 or stable_samples <= 0:
        return 1.0
    deviation = math.sqrt(healthy * (1 - healthy) * (1 / canary_samples + 1 / stable_samples))
    return 1 - _NORMAL.cdf(drop / deviation)


def at_least_once(odds: float, times: int) -> float:
    """Return the probability that something of these odds happens in so many independent tries."""
    return float(1 - (1 - odds) ** times)
