"""Admission: how many requests a process works on at once, and whose.

Past its capacity a service that takes everything answers nothing: each request waits behind more than anybody waits
for. Here a process takes what it can finish within a short time, gives every tenant that asks its share of that, and
refuses the rest at once, before anything was written. `docs/overload.md` describes the whole, decision 12 the choice.
"""

from bezant.foundation.admission.admission import Admission, Permit, Refusal
from bezant.foundation.admission.concurrency_limit import ConcurrencyLimit
from bezant.foundation.settings import Settings

__all__ = ["Admission", "ConcurrencyLimit", "Permit", "Refusal", "open_admission"]


def open_admission(settings: Settings) -> Admission:
    """Return the admission of a process."""
    limit = ConcurrencyLimit(
        target_seconds=settings.admission_target_seconds,
        smallest=settings.admission_smallest,
        largest=settings.admission_largest,
        initial=settings.admission_initial,
    )
    return Admission(
        limit, queue_seconds=settings.admission_queue_seconds, patience_seconds=settings.admission_target_seconds
    )
