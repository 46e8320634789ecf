"""Errors are one catalogue: each class with its own code, a status that fits, a title and a docstring."""

import importlib
import pkgutil
import re
from collections import defaultdict

import pytest

import bezant
from bezant.contracts.problems import Problem, Unavailable
from bezant.local.gateway_replies import REPLIES


def _problems() -> list[type[Problem]]:
    for module in pkgutil.walk_packages(bezant.__path__, "bezant."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    found: list[type[Problem]] = []

    def collect(parent: type[Problem]) -> None:
        for kind in parent.__subclasses__():
            if kind not in found and kind.__module__.startswith("bezant."):
                found.append(kind)
            collect(kind)

    collect(Problem)
    return sorted(found, key=lambda kind: (kind.__module__, kind.__name__))


PROBLEMS = _problems()


DEFECTS = {"account_refused_by_ledger", "refused_by_database"}
"""What one service lets pass and another one's database refuses: a defect of ours, and named as such."""


def _owner(kind: type[Problem]) -> str:
    """The service whose catalogue it stands in, or the shared one."""
    parts = kind.__module__.split(".")
    return parts[2] if parts[1] == "services" else parts[1]


def test_no_two_problems_of_a_catalogue_have_the_same_code() -> None:
    by_code: dict[tuple[str, str], list[str]] = defaultdict(list)
    for kind in (Problem, *PROBLEMS):
        by_code[_owner(kind), kind.code].append(kind.__name__)
    assert {place: kinds for place, kinds in by_code.items() if len(kinds) > 1} == {}


def test_a_code_that_several_services_answer_means_the_same_everywhere() -> None:
    statuses: dict[str, set[int]] = defaultdict(set)
    for kind in PROBLEMS:
        statuses[kind.code].add(kind.status)
    assert {code: found for code, found in statuses.items() if len(found) > 1} == {}
    shared = {kind.code for kind in PROBLEMS if _owner(kind) in ("contracts", "foundation")}
    assert not shared & {kind.code for kind in PROBLEMS if _owner(kind) not in ("contracts", "foundation")}


@pytest.mark.parametrize("kind", PROBLEMS, ids=lambda kind: kind.__name__)
def test_a_problem_says_what_it_is(kind: type[Problem]) -> None:
    assert "code" in vars(kind), "its own code, not its parent's"
    assert re.fullmatch(r"[a-z][a-z0-9_]{3,60}", kind.code)
    away = issubclass(kind, Unavailable)
    assert 400 <= kind.status < 500 or away or kind.code in DEFECTS, "only what is away is a 5xx"
    assert vars(kind).get("title") or away
    assert kind.title
    assert not kind.title.endswith(".")
    assert kind.__doc__, "the docstring says when it is raised"
    assert kind.__doc__ != (kind.__mro__[1].__doc__ or "")
    assert kind.__module__.endswith(".problems") or away, "what a client does wrong stands in a catalogue"


def test_the_gateways_own_answers_are_of_the_same_catalogue() -> None:
    codes = {kind.code: kind for kind in PROBLEMS}
    for reply in REPLIES:
        if reply.code in codes:
            assert reply.status == codes[reply.code].status
            assert reply.title == codes[reply.code].title
        assert reply.detail
