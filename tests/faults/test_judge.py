"""The judge is only worth something if it notices: each kind of loss is played to it."""

import copy

import pytest

from .journal import Answer, Journal
from .stage import Stage

pytestmark = [pytest.mark.faults, pytest.mark.timeout(120)]


@pytest.fixture(scope="module")
async def journal(stage: Stage) -> Journal:
    """A tenant with one payment of each kind, which the judge finds good."""
    made = await stage.tenant()
    paid = await stage.client.pay(made, made.bank, made.customers[0], 1000, fee_minor=10)
    held = await stage.client.pay(made, made.bank, made.customers[1], 2000, capture="manual")
    await stage.client.act(made, paid, "refund", 300)
    await stage.client.act(made, held, "capture", 1500)
    await stage.judge.judge(made)
    return made


async def test_the_judge_notices_a_payment_that_is_not_there(stage: Stage, journal: Journal) -> None:
    told = copy.deepcopy(journal)
    invented = copy.deepcopy(told.of("payment")[0])
    invented.answers = [Answer(201, invented.answers[0].body.replace(invented.done["id"].encode(), b"0" * 36))]
    told.entries.insert(0, invented)
    told.entries.extend(told.entries[-1:] * 60)
    with pytest.raises(AssertionError, match=r"answered differently|do not exist"):
        await stage.judge.judge(told)


async def test_the_judge_notices_a_payment_that_nobody_asked_for(stage: Stage, journal: Journal) -> None:
    told = copy.deepcopy(journal)
    told.entries = [entry for entry in told.entries if entry.kind == "account" or entry is told.of("payment")[0]]
    with pytest.raises(AssertionError, match="nobody asked for"):
        await stage.judge.judge(told)


async def test_the_judge_notices_an_effect_that_was_not_acknowledged(stage: Stage, journal: Journal) -> None:
    told = copy.deepcopy(journal)
    told.entries = [entry for entry in told.entries if entry.kind != "refund"]
    with pytest.raises(AssertionError, match="not as it was acknowledged"):
        await stage.judge.judge(told)


async def test_the_judge_notices_an_effect_that_is_missing(stage: Stage, journal: Journal) -> None:
    told = copy.deepcopy(journal)
    capture = told.of("capture")[0]
    capture.body["amount_minor"] = 1600
    with pytest.raises(AssertionError):
        await stage.judge.judge(told)


async def test_the_judge_notices_a_webhook_that_did_not_arrive(
    stage: Stage, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.faults.judge.CATCH_UP_SECONDS", 0.5)
    inbox = copy.deepcopy(stage.receiver.inboxes[journal.slug])
    inbox.messages.popitem()
    monkeypatch.setitem(stage.receiver.inboxes, journal.slug, inbox)
    with pytest.raises(AssertionError, match="every webhook has arrived"):
        await stage.judge.judge(journal)
