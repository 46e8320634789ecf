"""The webhook API over HTTP."""

from uuid import UUID

import pytest
from standardwebhooks import Webhook

from bezant.contracts.identifiers import new_id

from ..stores.fixtures import Stores, eventually
from ..stores.http import Api
from .conftest import Notification, Receiver
from .test_delivering import enqueue, events

PATH = "/v1/webhook-endpoints"


async def test_an_endpoint_lives_its_life(api: Api, receiver: Receiver, tenant: UUID) -> None:
    key = api.keys.give(tenant)
    status, made = await api.call(key, "POST", PATH, {"url": receiver.base_url, "event_filters": ["payment.*"]})
    assert status == 201
    assert made["secret"].startswith("whsec_")
    assert (made["status"], made["last_sequence"], made["event_filters"]) == ("enabled", 0, ["payment.*"])
    one = f"{PATH}/{made['id']}"
    status, shown = await api.call(key, "GET", one)
    assert status == 200
    assert "secret" not in shown
    status, changed = await api.call(key, "PATCH", one, {"description": "Ours", "status": "disabled"})
    assert (status, changed["description"], changed["status"]) == (200, "Ours", "disabled")
    assert (await api.call(key, "POST", f"{one}/test"))[1]["code"] == "webhook_endpoint_disabled"
    assert (await api.call(key, "POST", f"{one}/replay", {"since_sequence": 1}))[0] == 409
    assert (await api.call(key, "PATCH", one, {"status": "enabled"}))[1]["url"] == receiver.base_url
    status, rotated = await api.call(key, "POST", f"{one}/rotate-secret")
    assert status == 200
    assert rotated["secret"] != made["secret"]
    assert (await api.call(key, "DELETE", one))[0] == 204
    assert (await api.call(key, "GET", one))[0] == 404
    assert (await api.call(key, "GET", PATH))[1]["data"] == []


async def test_a_test_event_arrives_and_its_delivery_shows_the_attempt(
    api: Api, receiver: Receiver, tenant: UUID
) -> None:
    key = api.keys.give(tenant)
    _, made = await api.call(key, "POST", PATH, {"url": receiver.base_url, "event_filters": ["fraud.*"]})
    status, sent = await api.call(key, "POST", f"{PATH}/{made['id']}/test")
    assert (status, sent["sequence"]) == (202, 1)
    one = f"{PATH}/{made['id']}/deliveries/{sent['id']}"

    async def delivered() -> bool:
        return bool((await api.call(key, "GET", one))[1]["status"] == "delivered")

    await eventually(delivered)
    (request,) = receiver.received
    assert Webhook(made["secret"]).verify(request.body, request.headers)["type"] == "endpoint.test"
    assert request.headers["webhook-id"] == sent["id"]
    _, detail = await api.call(key, "GET", one)
    assert detail["body"].encode() == request.body
    assert [(tried["number"], tried["status_code"]) for tried in detail["tried"]] == [(1, 200)]


async def test_deliveries_are_listed_by_page_and_replayed_by_range(
    api: Api, notification: Notification, receiver: Receiver, tenant: UUID
) -> None:
    key = api.keys.give(tenant)
    _, made = await api.call(key, "POST", PATH, {"url": receiver.base_url})
    one = f"{PATH}/{made['id']}"
    await enqueue(notification, tenant, events(tenant, 7))
    await notification.deliver(tenant)
    sequences, cursor = [], {}
    while True:
        _, page = await api.call(key, "GET", f"{one}/deliveries", limit=3, **cursor)
        sequences += [delivery["sequence"] for delivery in page["data"]]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert sequences == [7, 6, 5, 4, 3, 2, 1]
    assert (await api.call(key, "GET", f"{one}/deliveries", status="dead"))[1]["data"] == []
    receiver.received.clear()
    status, answer = await api.call(key, "POST", f"{one}/replay", {"from_sequence": 3, "to_sequence": 5})
    assert (status, answer) == (202, {"replayed": 3, "next_sequence": None})

    async def again() -> bool:
        return sorted(receiver.sequences()) == [3, 4, 5]

    await eventually(again)
    by_id = {"message_ids": [page["data"][0]["id"]]}
    assert (await api.call(key, "POST", f"{one}/replay", by_id))[1]["replayed"] == 1


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("POST", "", {"url": "http://127.0.0.1/", "event_filters": ["a**.x"]}, 422, "webhook_event_filter_invalid"),
        ("POST", "", {"url": "ftp://example.com/"}, 422, "webhook_url_refused"),
        ("POST", "", {"url": "https://u:p@example.com/"}, 422, "webhook_url_refused"),
        ("POST", "", {"url": "https://example.com/\x00"}, 400, "invalid_request"),
        ("POST", "", {"url": "x" * 2_001}, 400, "invalid_request"),
        ("POST", "", {"url": "https://example.com/", "event_filters": []}, 400, "invalid_request"),
        ("POST", "", {"url": "https://example.com/", "more": 1}, 400, "invalid_request"),
        ("POST", "", {"url": "https://example.com/", "description": "4111 1111 1111 1111"}, 400, "card_number_refused"),
        ("POST", "", ["no object"], 400, "invalid_request"),
        ("PATCH", "/{id}", {"status": "deleted"}, 400, "invalid_request"),
        ("POST", "/{id}/replay", {}, 400, "invalid_request"),
        ("POST", "/{id}/replay", {"since_sequence": 1, "message_ids": []}, 400, "invalid_request"),
        ("POST", "/{id}/replay", {"since_sequence": 0}, 400, "invalid_request"),
        ("POST", "/{id}/replay", {"since_sequence": 2**63}, 400, "invalid_request"),
        ("POST", "/{id}/replay", {"from_sequence": 1}, 400, "invalid_request"),
        ("POST", "/{id}/rotate-secret", {"overlap_seconds": -1}, 400, "invalid_request"),
        ("GET", "/{id}/deliveries?cursor=x", None, 400, "invalid_cursor"),
        ("GET", "/{id}/deliveries?status=lost", None, 400, "invalid_request"),
        ("GET", "/not-an-id", None, 400, "invalid_request"),
    ],
)
async def test_bad_requests_are_refused_with_a_code(
    api: Api, tenant: UUID, method: str, path: str, body: object, status: int, code: str
) -> None:
    key = api.keys.give(tenant)
    _, made = await api.call(key, "POST", PATH, {"url": "http://127.0.0.1:9/"})
    answer = await api.call(key, method, PATH + path.format(id=made["id"]), body)
    assert (answer[0], answer[1]["code"]) == (status, code), answer


async def test_an_unknown_message_is_not_replayed_and_neither_are_its_neighbours(
    api: Api, notification: Notification, receiver: Receiver, tenant: UUID
) -> None:
    key = api.keys.give(tenant)
    _, made = await api.call(key, "POST", PATH, {"url": receiver.base_url})
    await enqueue(notification, tenant, events(tenant, 1))
    await notification.deliver(tenant)
    _, page = await api.call(key, "GET", f"{PATH}/{made['id']}/deliveries")
    body = {"message_ids": [page["data"][0]["id"], str(new_id())]}
    status, problem = await api.call(key, "POST", f"{PATH}/{made['id']}/replay", body)
    assert (status, problem["code"]) == (404, "webhook_delivery_not_found")
    assert await notification.states(tenant) == [(1, "delivered", 1)]


async def test_a_tenant_has_a_limited_number_of_endpoints(api: Api, tenant: UUID) -> None:
    key = api.keys.give(tenant)
    for _ in range(50):
        assert (await api.call(key, "POST", PATH, {"url": "http://127.0.0.1:9/"}))[0] == 201
    status, problem = await api.call(key, "POST", PATH, {"url": "http://127.0.0.1:9/"})
    assert (status, problem["code"]) == (409, "webhook_endpoint_limit")
    _, page = await api.call(key, "GET", PATH, limit=49)
    assert len(page["data"]) == 49
    assert len((await api.call(key, "GET", PATH, limit=49, cursor=page["next_cursor"]))[1]["data"]) == 1


ROUTES = [
    ("GET", "/{id}", None),
    ("PATCH", "/{id}", {"description": "mine"}),
    ("DELETE", "/{id}", None),
    ("POST", "/{id}/rotate-secret", None),
    ("POST", "/{id}/test", None),
    ("POST", "/{id}/replay", {"since_sequence": 1}),
    ("GET", "/{id}/deliveries", None),
    ("GET", "/{id}/deliveries/{message}", None),
]


@pytest.mark.parametrize(("method", "path", "body"), ROUTES)
async def test_another_tenant_s_endpoint_is_not_found(
    api: Api, stores: Stores, notification: Notification, tenant: UUID, method: str, path: str, body: object
) -> None:
    key, other = api.keys.give(tenant), api.keys.give(await stores.new_tenant())
    _, made = await api.call(key, "POST", PATH, {"url": "http://127.0.0.1:9/"})
    _, sent = await api.call(key, "POST", f"{PATH}/{made['id']}/test")
    path = PATH + path.format(id=made["id"], message=sent["id"])
    status, problem = await api.call(other, method, path, body)
    assert (status, problem["code"]) == (404, "webhook_endpoint_not_found")
    assert (await api.call("nobody", method, path, body))[0] == 401
    read_only = api.keys.give(tenant, "fraud:read")
    assert (await api.call(read_only, method, path, body))[0] == 403
    status, shown = await api.call(key, "GET", f"{PATH}/{made['id']}")
    assert (status, shown["description"], shown["status"]) == (200, "", "enabled")
