"""What the live autoscaler measures, and when a step of the story counts as followed."""

import os
import subprocess
import sys
import time

import pytest

from bezant.local import proc
from bezant.local.plan import STABLE
from bezant.local.status import ProcessState
from bezant.rehearsal.autoscaling.live import Measured, Step, follow
from bezant.rehearsal.fleet import Moment, Pod


def test_the_cpu_time_of_a_process_grows_with_its_work_and_is_none_once_it_is_gone() -> None:
    before = proc.cpu_seconds(os.getpid())
    assert before is not None
    until = time.process_time() + 0.05
    while time.process_time() < until:
        pass
    after = proc.cpu_seconds(os.getpid())
    assert after is not None
    assert 0.03 <= after - before < 5
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    assert proc.cpu_seconds(gone.pid) is None


def test_a_replica_has_a_figure_only_after_it_was_seen_for_the_window() -> None:
    measured = Measured()
    for tick in range(2):
        measured.add(7, tick * 1.0, 10 + tick * 0.5)
    assert measured.cores(7) is None
    for tick in range(2, 10):
        measured.add(7, tick * 1.0, 10 + tick * 0.5)
    assert measured.cores(7) == pytest.approx(0.5)
    assert measured.cores(8) is None


def test_the_figure_is_of_the_last_seconds_and_not_of_the_whole_life() -> None:
    measured = Measured()
    for tick in range(20):
        measured.add(7, tick * 1.0, 0.0 if tick < 10 else (tick - 10) * 1.0)
    assert measured.cores(7) == pytest.approx(1.0)


@pytest.mark.parametrize(("decided", "serving", "serves"), [(None, None, True), (3.0, None, False), (3.0, 9.0, True)])
def test_what_was_decided_has_to_serve(decided: float | None, serving: float | None, serves: bool) -> None:
    step = Step("told", 100.0, 0.0, 6, goes_up=True, decided_after_seconds=decided, serving_after_seconds=serving)
    assert step.serves is serves


def _pods(at_seconds: float, ready: int) -> Moment:
    pods = (Pod(f"payment-{n}", "1", STABLE, ProcessState.READY, n < ready, 0, None) for n in range(12))
    return Moment(at_seconds, tuple(pods), {STABLE: 100})


@pytest.mark.parametrize(
    ("decisions", "decided", "serving"),
    [
        ([3.0, 18.0], 3.0, 24.0),  # the last one starts while the next load runs already
        ([25.0], None, None),  # of the next step
        ([3.0], 3.0, 9.0),
    ],
)
def test_what_a_step_decided_late_may_serve_in_the_next(
    decisions: list[float], decided: float | None, serving: float | None
) -> None:
    step = Step("told", 100.0, 0.0, 6, goes_up=True, ended_seconds=20.0, reached=8)
    follow(step, decisions, [_pods(2, 6), _pods(9, 8), _pods(16, 7), _pods(24, 8)])
    assert (step.decided_after_seconds, step.serving_after_seconds) == (decided, serving)
