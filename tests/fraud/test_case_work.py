"""People at work on cases: the queue, hand-overs, notes, and a second person where the tenant asks for one."""

import asyncio
from uuid import UUID

import psycopg
import pytest

from bezant.services.fraud.operations.assess_payments import AssessPayments

from ..stores.fixtures import Stores
from ..stores.http import Api
from .test_assessing import outbox, request


async def test_the_gravest_case_is_claimed_first_and_by_one_person_only(
    api: Api, assess: AssessPayments, stores: Stores, tenant: UUID
) -> None:
    amounts = (300_000, 1_500_000, 400_000, 1_600_000)  # 50, 100, 50 and 100 points
    answers = [(await assess(tenant, [request(amount, destination_account_id=UUID(int=amount))]))[0]
               for amount in amounts]  # fmt: skip
    people = [api.keys.give(tenant) for _ in range(6)]
    claimed = await asyncio.gather(*(api.call(key, "POST", "/v1/fraud/cases/claim") for key in people))
    assert sorted(status for status, _ in claimed) == [200] * 4 + [404] * 2
    assert {case["id"] for status, case in claimed if status == 200} == {str(answer.case_id) for answer in answers}
    assert {case["code"] for status, case in claimed if status == 404} == {"fraud_queue_empty"}
    # One gives hers back; the next one takes it.
    case = next(case for status, case in claimed if status == 200)
    one = f"/v1/fraud/cases/{case['id']}"
    status, returned = await api.call(people[0], "PUT", f"{one}/assignee", {"assignee": None})
    assert (status, returned["assignee"], returned["assigned_at"]) == (200, None, None)
    _, page = await api.call(people[0], "GET", "/v1/fraud/cases", assignee="nobody")
    assert [each["id"] for each in page["data"]] == [case["id"]]
    late = api.keys.give(tenant)
    _, again = await api.call(late, "POST", "/v1/fraud/cases/claim")
    assert (again["id"], again["assignee"]) == (case["id"], f"key:{late}")
    _, page = await api.call(people[0], "GET", "/v1/fraud/cases", assignee=f"key:{late}", status="open")
    assert [each["id"] for each in page["data"]] == [case["id"]]
    _, page = await api.call(people[0], "GET", "/v1/fraud/cases", payment_id=case["payment_id"])
    assert [each["id"] for each in page["data"]] == [case["id"]]
    assert (await outbox(stores, tenant)).count("fraud.case_assigned") == 6


async def test_the_queue_goes_by_score_then_age(api: Api, assess: AssessPayments, tenant: UUID) -> None:
    key = api.keys.give(tenant)
    for amount in (300_000, 1_500_000, 400_000, 1_600_000):
        await assess(tenant, [request(amount, destination_account_id=UUID(int=amount))])
    claimed = [(await api.call(key, "POST", "/v1/fraud/cases/claim"))[1] for _ in range(4)]
    assert [case["amount"]["amount_minor"] for case in claimed] == [1_500_000, 1_600_000, 300_000, 400_000]


async def test_notes_are_kept_in_order_and_never_change(
    api: Api, assess: AssessPayments, stores: Stores, tenant: UUID
) -> None:
    key = api.keys.give(tenant)
    (answer,) = await assess(tenant, [request(1_500_000)])
    path = f"/v1/fraud/cases/{answer.case_id}/notes"
    for number in range(3):
        status, note = await api.call(key, "POST", path, {"note": f"called her, {number}"})
        assert (status, note["author"]) == (201, f"key:{key}")
    _, page = await api.call(key, "GET", path, limit=2)
    assert [note["note"] for note in page["data"]] == ["called her, 0", "called her, 1"]
    _, rest = await api.call(key, "GET", path, cursor=page["next_cursor"])
    assert [note["note"] for note in rest["data"]] == ["called her, 2"]
    for body in ({"note": ""}, {"note": "4111 1111 1111 1111"}, {}):
        assert (await api.call(key, "POST", path, body))[0] == 400
    other = api.keys.give(await stores.new_tenant())
    for method, body in (("GET", None), ("POST", {"note": "x"})):
        assert (await api.call(other, method, path, body))[0] == 404
    with pytest.raises(psycopg.errors.RestrictViolation):
        await stores.as_superuser(tenant, "UPDATE fraud.case_notes SET note = 'x'")


async def setting(api: Api, key: str, second_person: str) -> None:
    status, answer = await api.call(key, "PUT", "/v1/fraud/settings", {"second_person": second_person})
    assert (status, answer["second_person"], answer["changed_by"]) == (200, second_person, f"key:{key}")


async def test_two_people_decide_where_the_tenant_asks_for_it(
    api: Api, assess: AssessPayments, stores: Stores, tenant: UUID
) -> None:
    ann, bob = api.keys.give(tenant), api.keys.give(tenant)
    await setting(api, ann, "always")
    (answer,) = await assess(tenant, [request(1_500_000)])
    path = f"/v1/fraud/cases/{answer.case_id}/decision"
    await api.call(ann, "POST", "/v1/fraud/cases/claim")
    status, proposed = await api.call(ann, "POST", path, {"decision": "approve", "note": "I know her"})
    assert (status, proposed["status"], proposed["assignee"]) == (200, "open", None)
    assert (proposed["proposal"]["status"], proposed["proposal"]["proposed_by"]) == ("approved", f"key:{ann}")
    assert "fraud.case_decided" not in await outbox(stores, tenant)
    # The first person gets it neither from the queue nor by deciding again, one way or the other.
    assert (await api.call(ann, "POST", "/v1/fraud/cases/claim"))[1]["code"] == "fraud_queue_empty"
    for decision in ("approve", "decline"):
        status, problem = await api.call(ann, "POST", path, {"decision": decision})
        assert (status, problem["code"]) == (403, "fraud_second_person_required")
    status, decided = await api.call(bob, "POST", path, {"decision": "approve", "note": "so do I"})
    assert (status, decided["status"], decided["decided_by"]) == (200, "approved", f"key:{bob}")
    assert decided["proposal"]["note"] == "I know her"
    assert (await outbox(stores, tenant))[-2:] == ["fraud.case_proposed", "fraud.case_decided"]
    assert (await api.call(ann, "POST", path, {"decision": "approve"}))[0] == 409


async def test_two_people_who_disagree_need_a_third_or_one_who_yields(
    api: Api, assess: AssessPayments, tenant: UUID
) -> None:
    ann, bob = api.keys.give(tenant), api.keys.give(tenant)
    await setting(api, ann, "always")
    (answer,) = await assess(tenant, [request(1_500_000)])
    path = f"/v1/fraud/cases/{answer.case_id}/decision"
    await api.call(ann, "POST", path, {"decision": "approve"})
    _, case = await api.call(bob, "POST", path, {"decision": "decline"})
    assert (case["status"], case["proposal"]["status"], case["proposal"]["proposed_by"]) == (
        "open", "declined", f"key:{bob}",
    )  # fmt: skip
    _, case = await api.call(ann, "POST", path, {"decision": "decline"})
    assert (case["status"], case["decided_by"]) == ("declined", f"key:{ann}")


async def test_approvals_alone_may_need_two(api: Api, assess: AssessPayments, tenant: UUID) -> None:
    ann = api.keys.give(tenant)
    await setting(api, ann, "approvals")
    first, second = await assess(tenant, [request(1_500_000), request(1_500_000)])
    _, case = await api.call(ann, "POST", f"/v1/fraud/cases/{first.case_id}/decision", {"decision": "decline"})
    assert case["status"] == "declined"
    _, case = await api.call(ann, "POST", f"/v1/fraud/cases/{second.case_id}/decision", {"decision": "approve"})
    assert case["status"] == "open"
    _, case = await api.call(
        api.keys.give(tenant), "POST", f"/v1/fraud/cases/{second.case_id}/decision", {"decision": "decline"}
    )
    assert (case["status"], case["proposal"]["status"]) == ("declined", "approved")


async def test_the_database_lets_no_person_be_both(assess: AssessPayments, stores: Stores, tenant: UUID) -> None:
    await assess(tenant, [request(1_500_000)])
    with pytest.raises(psycopg.errors.CheckViolation):
        await stores.as_superuser(
            tenant,
            "UPDATE fraud.cases SET proposed_status = 'approved', proposed_by = 'a', proposed_at = now(), "
            "status = 'approved', decided_by = 'a', decided_at = now()",
        )


async def test_a_race_of_two_second_people_has_one_winner(api: Api, assess: AssessPayments, tenant: UUID) -> None:
    ann, *others = (api.keys.give(tenant) for _ in range(5))
    await setting(api, ann, "always")
    (answer,) = await assess(tenant, [request(1_500_000)])
    path = f"/v1/fraud/cases/{answer.case_id}/decision"
    await api.call(ann, "POST", path, {"decision": "approve"})
    answers = await asyncio.gather(*(api.call(key, "POST", path, {"decision": "approve"}) for key in others))
    assert sorted(status for status, _ in answers) == [200, 409, 409, 409]


async def test_work_on_cases_needs_the_scope_and_an_open_case(api: Api, assess: AssessPayments, tenant: UUID) -> None:
    key, reader = api.keys.give(tenant), api.keys.give(tenant, "fraud:read")
    (answer,) = await assess(tenant, [request(1_500_000)])
    one = f"/v1/fraud/cases/{answer.case_id}"
    for method, path, body in [
        ("POST", "/v1/fraud/cases/claim", None),
        ("PUT", f"{one}/assignee", {"assignee": "me"}),
        ("POST", f"{one}/notes", {"note": "x"}),
        ("PUT", "/v1/fraud/settings", {"second_person": "never"}),
        ("PUT", f"/v1/fraud/labels/{answer.payment_id}", {"label": "fraud"}),
        ("POST", "/v1/fraud/velocity/recount", None),
    ]:
        assert (await api.call(reader, method, path, body))[0] == 403, path
    await api.call(key, "POST", f"{one}/decision", {"decision": "decline"})
    status, problem = await api.call(key, "PUT", f"{one}/assignee", {"assignee": "me"})
    assert (status, problem["code"]) == (409, "fraud_case_already_decided")
    assert (await api.call(reader, "GET", "/v1/fraud/settings"))[1]["second_person"] == "never"
    status, counted = await api.call(key, "POST", "/v1/fraud/velocity/recount")
    assert (status, counted["payments"]) == (200, 1)
