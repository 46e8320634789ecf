"""A small store of samples for PromQL: series by their labels, each a list of moments and values."""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping

Labels = frozenset[tuple[str, str]]
Matches = Callable[[Mapping[str, str]], bool]


class Samples:
    """Samples of counters and histograms. Moments are seconds of one clock, and never go back within a series."""

    def __init__(self) -> None:
        self._series: dict[str, dict[Labels, tuple[list[float], list[float]]]] = defaultdict(dict)

    def add(self, metric: str, labels: Mapping[str, str], at_seconds: float, value: float) -> None:
        """Add a sample."""
        times, values = self._series[metric].setdefault(frozenset(labels.items()), ([], []))
        times.append(at_seconds)
        values.append(value)

    def window(
        self, metric: str, matches: Matches, *, from_seconds: float, to_seconds: float
    ) -> Iterator[tuple[dict[str, str], list[float], list[float]]]:
        """Yield labels, moments and values of each series that matches and has samples from one moment to another,
        both included."""
        for labels, (times, values) in self._series.get(metric, {}).items():
            first, last = bisect_left(times, from_seconds), bisect_right(times, to_seconds)
            named = dict(labels)
            if first < last and matches(named):
                yield named, times[first:last], values[first:last]
