"""Idempotency keys: one effect per key and tenant, and the original answer to every repetition."""

from bezant.foundation.idempotency.records import (
    LONGEST_KEY_OF_AN_ITEM,
    StoredAnswer,
    checked_key,
    claim_key,
    fingerprint,
    fingerprint_of_document,
    key_reused,
    optional_key,
    prune_keys,
    required_key,
    store_answer,
)

__all__ = [
    "LONGEST_KEY_OF_AN_ITEM",
    "StoredAnswer",
    "checked_key",
    "claim_key",
    "fingerprint",
    "fingerprint_of_document",
    "key_reused",
    "optional_key",
    "prune_keys",
    "required_key",
    "store_answer",
]
