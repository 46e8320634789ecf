"""What the rehearsal of faults makes of what it saw: whom a fault may be blamed for, and which promises broke."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import pytest
from typer.testing import CliRunner

from bezant.cli.main import app
from bezant.local.errors import DataDirectoryUnusable
from bezant.rehearsal.chaos import rounds as chaos
from bezant.rehearsal.chaos.faults import FAULTS
from bezant.rehearsal.chaos.report import report_of
from bezant.rehearsal.chaos.rounds import Audited, Course, Inflicted, Plan, _Rounds
from bezant.rehearsal.ledger import Ledger
from bezant.rehearsal.load import Load, Outcome
from bezant.rehearsal.report.document import Lane, Report, Span, State


def _sent(at: float, *, failed: bool = False, took: float = 0.1) -> Outcome:
    return Outcome(at, took, "payment", 503 if failed else 201, "unavailable" if failed else "captured")


def _steady(*failing: float) -> tuple[Outcome, ...]:
    """A request every half second from 100 to 120, those at the given moments failed."""
    return tuple(_sent(100 + n / 2, failed=100 + n / 2 in failing) for n in range(41))


def _inflicted(fault: str = "kill", hit: Sequence[Outcome] = (), others: Sequence[Outcome] = ()) -> Inflicted:
    """A fault at 105, lifted at 107, all ready at 109."""
    return Inflicted(
        FAULTS[fault], ("payment-0",), 100.0, 105.0, 107.0, 109.0, True, tuple(hit), tuple(others), 2,
        Ledger(acknowledged=80), Audited(entries=200),
    )  # fmt: skip


class _History:
    def lanes(self, until_seconds: float) -> list[Lane]:
        return [Lane("payment-0", [Span(0, until_seconds, "", State.STABLE)])]


def _report(*inflicted: Inflicted) -> Report:
    course = Course(Plan(tuple(FAULTS)), inflicted, cast(Any, _History()), 125.0)
    return report_of(course, started_at="2026-11-23T20:00:00+00:00", duration_seconds=125)


def _broken(*inflicted: Inflicted) -> list[str]:
    return [promise.text for promise in _report(*inflicted).promises if not promise.kept]


def test_all_is_kept_when_nothing_failed_outside_the_fault() -> None:
    assert _broken(_inflicted(hit=_steady(105.5, 106), others=_steady(106.5))) == []


def test_recovery_is_counted_until_the_last_failure_from_when_others_could_take_over() -> None:
    assert _inflicted("kill", others=_steady(105.5, 108)).recovery_seconds == 3
    assert _inflicted("tenant-database", hit=_steady(105.5, 106.5)).recovery_seconds == 0
    assert _inflicted("tenant-database", hit=_steady(105.5, 110)).recovery_seconds == 3


def test_a_recovery_of_more_than_ten_seconds_breaks_its_promise() -> None:
    late = _inflicted("pause", others=_steady(*(105 + n / 2 for n in range(22))))
    assert late.recovery_seconds == 10.5
    assert "Requests succeed again within 10 s" in _broken(late)


def test_load_that_ends_while_requests_still_fail_shows_no_recovery() -> None:
    until_the_end = [one for one in _steady(*(105 + n / 2 for n in range(40))) if one.at_seconds < 113]
    assert _inflicted("kill", others=until_the_end).recovery_seconds < 10
    assert "Requests succeed again within 10 s" in _broken(_inflicted("kill", others=until_the_end))
    silent = [one for one in _steady() if one.at_seconds < 104.5]
    assert "Requests succeed again within 10 s" in _broken(_inflicted("kill", others=silent)), "nothing was answered"


async def test_load_goes_on_while_requests_fail_and_ends_when_they_succeed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chaos, "CALM_SECONDS", 0.2)
    load = Load("http://127.0.0.1:1", [], requests_per_second=1)
    load.began = time.monotonic()
    load.outcomes.append(_sent(0.15, failed=True))
    rounds = _Rounds(Plan(("kill",)), cast(Any, None), lambda _: None)
    calm = asyncio.create_task(rounds._calm([load]))
    await asyncio.sleep(0.3)
    assert not calm.done(), "the last request failed"
    load.outcomes.append(_sent(load.seconds() + 60))
    await asyncio.wait_for(calm, 5)


@pytest.mark.parametrize("moment", [100.5, 104.5])
def test_a_failure_before_the_fault_has_no_excuse(moment: float) -> None:
    assert _broken(_inflicted("kill", others=_steady(moment))) == [
        "Fewer than 0.1 % of the requests outside any one fault fail"
    ]


def test_one_fault_that_costs_others_something_is_not_made_good_by_many_that_do_not() -> None:
    busy = tuple(_sent(100 + n / 40) for n in range(900))
    rounds = [_inflicted("kill", others=busy), _inflicted("pause", others=(*_steady(), _sent(101, failed=True)))]
    assert _broken(*[rounds[0]] * 3, rounds[1]) == ["Fewer than 0.1 % of the requests outside any one fault fail"]


def test_a_failure_of_another_tenant_has_no_excuse_when_the_fault_is_about_one() -> None:
    assert _broken(_inflicted("partition", hit=_steady(106, 107), others=_steady())) == []
    assert "Fewer than 0.1 % of the requests outside any one fault fail" in _broken(
        _inflicted("partition", hit=_steady(106), others=_steady(106))
    )


def test_a_request_under_way_when_the_fault_came_is_the_faults() -> None:
    slow = _sent(104.5, failed=True, took=1.0)
    assert _broken(_inflicted("kill", others=(*_steady(), slow))) == []


@pytest.mark.parametrize(
    ("ledger", "audited", "promise"),
    [
        (Ledger(80, lost=["a"]), Audited(), "No acknowledged payment is lost"),
        (Ledger(80, doubled=["a"]), Audited(), "No payment is doubled"),
        (Ledger(80, unbalanced=["acme"]), Audited(), "Every ledger balances after every fault"),
        (Ledger(80, astray=["acme: 5, 10"]), Audited(), "The ledger has moved what the payments say, to the cent"),
        (Ledger(80, untold=["a: no"]), Audited(), "What became of every payment can be asked afterwards"),
        (Ledger(80), Audited(missing=["id"]), "Every audit log verifies and holds every payment"),
        (Ledger(80), Audited(unverified=["acme: no"]), "Every audit log verifies and holds every payment"),
    ],
)
def test_one_that_is_lost_doubled_unbalanced_or_missing_breaks_a_promise(
    ledger: Ledger, audited: Audited, promise: str
) -> None:
    assert _broken(replace(_inflicted(others=_steady()), ledger=ledger, audited=audited)) == [promise]


def test_a_platform_that_is_not_whole_again_breaks_a_promise() -> None:
    assert _broken(replace(_inflicted(others=_steady()), is_whole=False)) == ["Every process is ready again by itself"]


def test_a_fault_stands_in_the_lane_of_what_it_hurt() -> None:
    lanes = {lane.name: lane for lane in _report(_inflicted("pause", others=_steady())).timeline.lanes}
    assert [(span.start_seconds, span.end_seconds, span.kind) for span in lanes["payment-0"].spans] == [
        (0, 105, State.STABLE), (105, 107, State.FAULT), (107, 125, State.STABLE),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--fault", "flood"], "there is no fault 'flood'"),
        (["--target", "x"], "takes no target"),
        (["--report", "/no/such/folder/report.html"], "cannot be written"),
        (["--report", "/"], "is a directory"),
        (["--fault", "zone", "--target", "mars-1a"], "the zones are us-east-1a"),
        (["--fault", "kill", "--target", "us-east-1a"], "it needs a process"),
        (["--fault", "zone", "--fault", "kill", "--target", "us-east-1a"], "kill cannot be inflicted on us-east-1a"),
    ],
)
def test_what_cannot_be_inflicted_is_refused(arguments: list[str], said: str) -> None:
    refused = CliRunner(env={"TERMINAL_WIDTH": "200", "COLUMNS": "200"}).invoke(app, ["rehearse", "chaos", *arguments])
    assert refused.exit_code == 2
    assert said in refused.output


def test_a_directory_that_cannot_hold_the_data_is_named() -> None:
    refused = CliRunner().invoke(app, ["rehearse", "chaos", "--data-dir", "/dev/null/here"])
    assert refused.exit_code == DataDirectoryUnusable.exit_code
    assert "/dev/null/here cannot hold the platform's data" in refused.output


def test_a_fault_that_this_machine_cannot_inflict_is_refused_and_otherwise_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(FAULTS, "cut-off", replace(FAULTS["cut-off"], why_impossible=lambda: "no rights"))
    refused = CliRunner(env={"COLUMNS": "200"}).invoke(app, ["rehearse", "chaos", "--fault", "cut-off"])
    assert (refused.exit_code, "cut-off cannot be rehearsed: no rights" in refused.output) == (2, True)
    course = Course(Plan(("kill",), left_out={"cut-off": "no rights"}), (_inflicted(others=_steady()),),
                    cast(Any, _History()), 125.0)  # fmt: skip
    report = report_of(course, started_at="2026-11-23T20:00:00+00:00", duration_seconds=125)
    assert "cut-off: no rights" in report.settings["not rehearsed"]
