"""Which fields of which events are personal data, and so must be erasable without touching the log.

A leaf holds a salted commitment in place of each; the value and its salt are stored apart. Free text counts as
personal, since people write names into it.
"""

from typing import Final

FREE_TEXT: Final = frozenset({"note", "reference", "description", "metadata", "reason_text"})
PERSON: Final = frozenset({"name", "owner", "owner_name", "email", "phone", "address", "tax_id"})
PAYER_CONTEXT: Final = frozenset({"ip", "device_id", "user_agent", "country", "email"})

PERSONAL_FIELDS_BY_FAMILY: Final[dict[str, frozenset[str]]] = {
    "account": PERSON | FREE_TEXT,
    "transfer": FREE_TEXT,
    "payment": PAYER_CONTEXT | FREE_TEXT,
    "fraud": PAYER_CONTEXT | FREE_TEXT,
    # A receiver's URL may hold a token, which must not stand in a log for ever.
    "webhook_endpoint": FREE_TEXT | {"url"},
    # What the log says of itself: witnesses are named so that they can be told apart.
    "audit": FREE_TEXT,
    # A tenant is a company: its name and slug are no personal data, the people it names are.
    "tenant": frozenset({"email", "phone", "contact", "contact_name"}) | FREE_TEXT,
}
"""Field names by the part of an event type before the first dot; they count at any depth of `data`."""

ALL_PERSONAL_FIELDS: Final = frozenset().union(*PERSONAL_FIELDS_BY_FAMILY.values())


def personal_fields(event_type: str) -> frozenset[str]:
    """Return the personal field names of an event type; a family not listed gets every name there is."""
    return PERSONAL_FIELDS_BY_FAMILY.get(event_type.partition(".")[0], ALL_PERSONAL_FIELDS)
