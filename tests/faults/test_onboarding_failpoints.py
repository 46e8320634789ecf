"""A process dies between two writes of an onboarding: another one carries it on, and there is exactly one tenant."""

import asyncio

import pytest

from bezant.services.tenant.domain.steps import STEPS, Kind

from .journal import Document
from .sagas import is_whole, nothing_is_left, provisioner_that_may_make_no_roles
from .stage import Stage

pytestmark = [pytest.mark.faults, pytest.mark.timeout(240)]
_WITHIN_STEPS = ("registered", "database_created", "database_provisioned", "password_set", "event_written")
_AROUND_STEPS = tuple(f"{when}_{step}" for step in STEPS[Kind.ONBOARDING] for when in ("before", "after"))
_AT_ONCE = 3


async def test_a_kill_anywhere_in_an_onboarding_leaves_exactly_one_active_tenant(stage: Stage) -> None:
    """Three onboardings run at any time, so that each kill cuts off others at steps of their own as well."""
    fleet = stage.fleet
    restarts = await fleet.restarts()
    waiting = [f"onboarding.{name}" for name in (*_WITHIN_STEPS, *_AROUND_STEPS)]
    expected = len(waiting)
    answers: list[Document] = []

    async def onboard_until_all_have_fired() -> None:
        while waiting:
            failpoint = waiting.pop()
            fleet.arm(failpoint)
            answer = await stage.register(stage.slug())
            answers.append(answer)
            await stage.tenant_is(answer["id"], "active", within_seconds=90)
            await fleet.fired(failpoint)

    await asyncio.gather(*(onboard_until_all_have_fired() for _ in range(_AT_ONCE)))
    await fleet.recovered(restarts + expected - 1)

    assert len({answer["id"] for answer in answers}) == len(answers) == expected
    for answer in answers:
        await is_whole(fleet, answer["id"])
        registered = await fleet.rows("SELECT id FROM control.tenants WHERE slug = %s", answer["slug"])
        assert len(registered) == 1, f"{answer['slug']} was registered {len(registered)} times"
    await asyncio.gather(*(_can_be_used(stage, answer) for answer in answers))


async def _can_be_used(stage: Stage, answer: Document) -> None:
    journal = await stage.journal_of(answer)
    bank = await stage.client.open_account(journal, "bank", "settlement")
    customer = await stage.client.open_account(journal, "customer", "customer")
    paid = await stage.client.pay(journal, bank, customer, 100)
    assert paid.done["status"] == "captured"


@pytest.mark.parametrize("failpoint", ["before_undoing_create_roles", "after_undoing_create_roles", "database_dropped"])
async def test_a_kill_while_an_onboarding_is_undone_leaves_nothing(stage: Stage, failpoint: str) -> None:
    fleet = stage.fleet
    restarts = await fleet.restarts()
    async with provisioner_that_may_make_no_roles(fleet):
        fleet.arm(f"onboarding.{failpoint}")
        answer = await stage.register(stage.slug())
        await fleet.fired(f"onboarding.{failpoint}")
        await stage.tenant_is(answer["id"], "failed")
    await fleet.recovered(restarts)
    await nothing_is_left(fleet, answer["id"])
