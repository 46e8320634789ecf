"""One rollout of a canary as it went: its steps, what each question was answered, and the verdict."""

from dataclasses import dataclass, field
from typing import Literal

from bezant.rehearsal.canary.analysis import Judgement
from bezant.rehearsal.canary.samples import Samples

Verdict = Literal["promoted", "aborted", "inconclusive"]


@dataclass
class Attempt:
    """One rollout, from its first pod to its verdict."""

    began_seconds: float
    """On the fleet's clock."""
    samples: Samples = field(default_factory=Samples)
    judgements: list[Judgement] = field(default_factory=list)
    steps: list[tuple[float, float, int]] = field(default_factory=list)
    """When each step began on the fleet's clock, its weight, its pods."""
    verdict: Verdict = "inconclusive"
    reason: Judgement | None = None
    """What ended it."""
    stable_answered: Judgement | None = None
    """What the stable version was found to do at the same moment, if the question can be asked of it alone."""
    trouble: str = ""
    """What kept it from going on, other than the analysis."""
    ended_seconds: float = 0.0
    """When the verdict was there, on the fleet's clock."""
    back_after_seconds: float = 0.0
    """From the verdict until every request went to the stable version again."""
    enough_at_model_seconds: float | None = None
    """When the window first held enough samples to judge by, in the model's time."""
    requests_after_abort: float = 0.0
    """What the gateway still sent to the canary after that."""
    record_id: str = ""

    def first_judged(self, name: str) -> float | None:
        """Return when a question first had something to judge, in the model's time."""
        return next((one.at_seconds for one in self.judgements if one.question.name == name and one.is_judged), None)
