"""Logs are JSON with tenant, request and trace, and no secret gets in, however it is written."""

import io
import json
import logging
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from bezant.foundation.identity.api_keys import new_api_key
from bezant.foundation.settings import Settings
from bezant.foundation.telemetry import logging as ours
from bezant.foundation.telemetry.logging import configure_logging, mask

KEY = new_api_key()[1]
SECRET = KEY.split("_", 2)[2]
WEBHOOK = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
PASSWORD = "pl4nted-Passw0rd"


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator["Lines"]:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    configure_logging(Settings(instance_id="payment-0"), "payment")
    yield Lines(stream)
    root.handlers[:], root.level = before
    structlog.reset_defaults()


class Lines:
    """What was logged."""

    def __init__(self, stream: io.StringIO) -> None:
        self._stream = stream

    @property
    def text(self) -> str:
        return self._stream.getvalue()

    def last(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.text.splitlines()[-1])
        return found


def test_a_line_says_who_wrote_it_about_what(lines: Lines) -> None:
    request, tenant = ours.request_id.set("r-1"), ours.tenant_id.set("t-1")
    try:
        with TracerProvider().get_tracer("test").start_as_current_span("s") as span:
            logging.getLogger("bezant.test").warning("paid %d of %s", 5, "it")
            trace_id = f"{span.get_span_context().trace_id:032x}"
    finally:
        ours.request_id.reset(request)
        ours.tenant_id.reset(tenant)
    line = lines.last()
    assert line["event"] == "paid 5 of it"
    assert (line["service"], line["instance"], line["level"]) == ("payment", "payment-0", "warning")
    assert (line["request_id"], line["tenant_id"], line["trace_id"]) == ("r-1", "t-1", trace_id)
    assert line["timestamp"].endswith("Z")
    logging.getLogger("bezant.test").warning("later")
    assert not {"request_id", "tenant_id", "trace_id"} & lines.last().keys()
    assert not trace.get_current_span().get_span_context().is_valid


SPELLINGS = [
    KEY, f"Bearer {KEY}", f"authorization: bearer {KEY}", f"'{KEY}'", f'{{"api_key": "{KEY}"}}', f"key={KEY}&x=1",
    WEBHOOK, f"secret {WEBHOOK}, more", f"postgresql://user:{PASSWORD}@host:5432/db", f"redis://:{PASSWORD}@host:6379",
    f"https://user:{PASSWORD}@example.com/x?y=z", f"postgresql://u:{PASSWORD}@{PASSWORD}@host/db",
    f"host=127.0.0.1 user=u password={PASSWORD} dbname=x", f"password='{PASSWORD}' x", f'{{"password": "{PASSWORD}"}}',
    f"{{'tenant_0190_db_password': '{PASSWORD}', 'x': 1}}", f"PASSWORD: {PASSWORD}", f"private_key={PASSWORD}",
]  # fmt: skip


@pytest.mark.parametrize("text", SPELLINGS)
def test_a_planted_secret_is_masked_wherever_it_stands(lines: Lines, text: str) -> None:
    log = logging.getLogger("any.library")
    log.warning("%s", text)
    log.warning("in a mapping: %s", {"x": [text]})
    log.warning(text.replace("%", "%%"))
    try:
        int(text)
    except ValueError:
        log.exception("it failed")
    log.warning("with a cause", exc_info=ValueError(text))
    assert lines.text.count("\n") == 5
    for planted in (SECRET, WEBHOOK[6:], PASSWORD):
        assert planted not in lines.text


@pytest.mark.parametrize("value", [PASSWORD, {"inner": PASSWORD}, [PASSWORD], PASSWORD.encode(), ("x", PASSWORD)])
@pytest.mark.parametrize(
    "name", ["password", "db_password", "secret", "Authorization", "api_key", "private_key", "token"]
)
def test_values_under_secret_like_names_are_masked(name: str, value: object) -> None:
    event = ours._mask_event(None, "", {"event": "x", name: value, "nested": {name: value, "list": [{name: value}]}})
    assert PASSWORD not in repr(event)
    assert event["event"] == "x"


def test_text_inside_structured_values_is_masked() -> None:
    event = ours._mask_event(
        None, "", {"event": "x", "detail": {"url": [f"redis://:{PASSWORD}@h"], "n": 5, "raw": KEY}}
    )
    assert PASSWORD not in repr(event)
    assert SECRET not in repr(event)
    assert event["detail"]["n"] == 5


@pytest.mark.parametrize(
    "text",
    [
        "payment 0190f3a2-7b2a-7c3d-9e4f-0123456789ab captured", "GET /v1/payments?limit=5", "http://127.0.0.1:8080/docs",
        "postgresql://127.0.0.1:5432/bz_0190", "the API key is not of the form bz_<keyid>_<secret>", "bz_0190f3a27b2a",
        "mail user@example.com", "the password was rotated", "token expired", "at 12:30:15 user@host",
    ],
)  # fmt: skip
def test_what_is_no_secret_stays_readable(text: str) -> None:
    assert mask(text) == text


def test_the_id_of_a_key_stays_readable() -> None:
    assert mask(KEY) == KEY[: -len(SECRET)] + "***"
