"""The words of e-mails: a subject and a text with places like `${data.reference}` that the event fills.

Places: `type`, `timestamp`, `event_id`, `subject`, every field of the event's data as `data.<field>`, and for
every amount `data.<what>_minor` its readable form as `data.<what>` (12.50 USD).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

import msgspec

from bezant.contracts.currencies import CURRENCIES
from bezant.contracts.event_catalogue import EVENT_CATALOGUE
from bezant.contracts.money import format_amount
from bezant.services.notification.domain.messages import TEST_EVENT_TYPE
from bezant.services.notification.domain.problems import EmailTemplateInvalid

_PLACE: Final = re.compile(r"\$\{([^{}]*)\}")
_MINOR: Final = "_minor"
_NOTHING: Final = "-"


@dataclass(frozen=True, slots=True)
class Template:
    """What a mail says about one type of event."""

    subject: str
    body: str


_DEFAULT: Final = Template(
    "${type}: ${subject}",
    "${type} happened at ${timestamp}.\n\nIt is about ${subject}. The event's id is ${event_id}.\n",
)
_PAYMENT: Final = (
    "Payment ${data.payment_id} over ${data.amount}\n\n"
    "Status:     ${data.status}\nReason:     ${data.reason_code}\nReference:  ${data.reference}\n"
    "Captured:   ${data.captured}\nRefunded:   ${data.refunded}\n"
    "From:       account ${data.source_account_id}\nTo:         account ${data.destination_account_id}\n"
    "Time:       ${timestamp}\n"
)
_OWN_WORDS: Final[Mapping[str, Template]] = MappingProxyType(
    {
        TEST_EVENT_TYPE: Template("A test from Bezant", "${data.message}\n"),
        **{
            f"payment.{status}": Template(f"Payment {words}: ${{data.amount}} ${{data.reference}}", _PAYMENT)
            for status, words in {
                "captured": "captured", "authorized": "authorized", "requires_review": "waits for review",
                "declined": "declined", "failed": "failed", "voided": "voided", "expired": "expired",
                "refunded": "refunded", "refund_failed": "could not be refunded",
            }.items()
        },
        "fraud.case_opened": Template(
            "A payment waits for review (score ${data.score})",
            "Payment ${data.payment_id} waits for a person to decide.\n\n"
            "Case:     ${data.case_id}\nScore:    ${data.score}\nReasons:  ${data.reasons}\nTime:     ${timestamp}\n",
        ),
        "fraud.case_decided": Template(
            "Case ${data.case_id}: ${data.decision}",
            "Payment ${data.payment_id} was reviewed by ${data.decided_by}: ${data.decision}.\n\n${data.note}\n",
        ),
        **{
            f"account.{change}": Template(
                f"Account ${{data.name}} was {change}",
                f"Account ${{data.account_id}} (${{data.name}}, ${{data.currency}}) was {change} at ${{timestamp}}.\n",
            )
            for change in ("opened", "frozen", "unfrozen", "closed")
        },
    }
)  # fmt: skip


def default_template(event_type: str) -> Template:
    """Return Bezant's own words for a type of event."""
    return _OWN_WORDS.get(event_type, _DEFAULT)


def check_template(event_type: str, template: Template) -> None:
    """Raise `EmailTemplateInvalid` for an unknown type of event, or a place that its events do not fill."""
    known = _places(event_type)
    for text in (template.subject, template.body):
        for place in _PLACE.findall(text):
            if place not in known:
                raise EmailTemplateInvalid(
                    f"${{{place}}} is not among what {event_type} fills: {', '.join(sorted(known))}."
                )
    if "\n" in template.subject or "\r" in template.subject:
        raise EmailTemplateInvalid("The subject must be one line.")


def _places(event_type: str) -> set[str]:
    event = EVENT_CATALOGUE.get(event_type)
    if event is None:
        raise EmailTemplateInvalid(f"There is no event type {event_type}; see the AsyncAPI document.")
    fields = [field.name for field in msgspec.structs.fields(event.data)]
    readable = [name.removesuffix(_MINOR) for name in fields if name.endswith(_MINOR)]
    return {"type", "timestamp", "event_id", "subject", *(f"data.{name}" for name in (*fields, *readable))}


def render(template: Template, body: str) -> tuple[str, str]:
    """Return (subject, text) of a mail about the event whose JSON is `body`."""
    event: dict[str, Any] = msgspec.json.decode(body)
    values = {name: _words(value) for name, value in event.items() if name != "data"}
    data: dict[str, Any] = event["data"]
    for name, value in data.items():
        values[f"data.{name}"] = _words(value)
        if name.endswith(_MINOR) and isinstance(value, int):
            values[f"data.{name.removesuffix(_MINOR)}"] = _amount(value, data.get("currency"))

    def filled(text: str) -> str:
        return _PLACE.sub(lambda place: values.get(place.group(1), _NOTHING), text)

    # A subject is one line, whatever a reference holds.
    return " ".join(filled(template.subject).split()), filled(template.body)


def _words(value: Any) -> str:
    if value is None or value in ("", []):
        return _NOTHING
    if isinstance(value, list):
        return ", ".join(_words(each) for each in value)
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _amount(amount_minor: int, currency: Any) -> str:
    return format_amount(amount_minor, currency) if currency in CURRENCIES else str(amount_minor)
