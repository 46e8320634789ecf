"""Requests and answers of the audit API. Hashes are hexadecimal, salts base64."""

import base64
from datetime import datetime
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from bezant.contracts.annotations import Text
from bezant.services.audit.domain.entries import Entry, ShownValue
from bezant.services.audit.domain.leaves import rfc3339
from bezant.services.audit.operations.prove import ConsistencyProof, InclusionProof
from bezant.services.audit.operations.sign_tree_head import SignedHead

Hash = Annotated[str, Field(pattern="^[0-9a-f]{64}$", description="SHA-256, hexadecimal")]


class PersonalValueOut(BaseModel):
    """A personal value that the leaf commits to: SHA-256(salt || RFC 8785 of the value)."""

    pointer: str = Field(description="Its place in the leaf's `data` (RFC 6901)")
    erased: bool
    value: Any = None
    salt: str | None = Field(None, description="Base64; null once erased")

    @classmethod
    def of(cls, shown: ShownValue) -> Self:
        """Return the answer for a value."""
        salt = None if shown.salt is None else base64.b64encode(shown.salt).decode()
        return cls(pointer=shown.pointer, erased=shown.erased, value=shown.value, salt=salt)


class EntryOut(BaseModel):
    """One entry. SHA-256(0x00 || `leaf` in UTF-8) is `leaf_hash`."""

    position: int
    entry_id: UUID
    type: str
    topic: str
    subject: str
    actor: str
    time: str = Field(description="When it happened, RFC 3339 in UTC")
    recorded_at: datetime
    leaf: str = Field(description="RFC 8785 JSON: exactly the text that is hashed")
    leaf_hash: Hash
    personal_values: list[PersonalValueOut]

    @classmethod
    def of(cls, entry: Entry) -> Self:
        """Return the answer for an entry."""
        return cls(
            position=entry.position,
            entry_id=entry.id,
            type=entry.type,
            topic=entry.topic,
            subject=entry.subject,
            actor=entry.actor,
            time=rfc3339(entry.occurred_at),
            recorded_at=entry.recorded_at,
            leaf=entry.leaf,
            leaf_hash=entry.leaf_hash.hex(),
            personal_values=[PersonalValueOut.of(shown) for shown in entry.personal_values],
        )


class TreeHeadOut(BaseModel):
    """A signed tree head; keep `checkpoint` to prove later that nothing before it was changed."""

    tree_size: int
    root_hash: Hash
    signed_at: datetime
    checkpoint: str = Field(description="C2SP checkpoint in a signed note (https://c2sp.org/tlog-checkpoint)")

    @classmethod
    def of(cls, head: SignedHead) -> Self:
        """Return the answer for a head."""
        return cls(tree_size=head.size, root_hash=head.root.hex(), signed_at=head.signed_at, checkpoint=head.checkpoint)


class CurrentTreeHeadOut(TreeHeadOut):
    """The head of the log as it is now, with the key that verifies it."""

    public_key: str = Field(description="Verifier key, Ed25519 (https://c2sp.org/signed-note)")
    key_rotations: list[str] = Field(description="How the signing key came to be the present one, oldest first")


class TreeHeadsOut(BaseModel):
    """Signed heads, newest first."""

    data: list[TreeHeadOut]
    next_before: int | None = Field(description="Send it as `before` for the next page; null on the last one")


class InclusionProofOut(BaseModel):
    """That an entry is in the log (RFC 6962 §2.1.1)."""

    entry_id: UUID
    position: int
    leaf_hash: Hash
    tree_size: int
    root_hash: Hash
    proof: list[Hash]

    @classmethod
    def of(cls, proof: InclusionProof) -> Self:
        """Return the answer for a proof."""
        return cls(
            entry_id=proof.entry_id,
            position=proof.position,
            leaf_hash=proof.leaf_hash.hex(),
            tree_size=proof.tree_size,
            root_hash=proof.root.hex(),
            proof=[hashed.hex() for hashed in proof.hashes],
        )


class ConsistencyProofOut(BaseModel):
    """That the later log starts with all of the earlier one (RFC 6962 §2.1.2)."""

    from_size: int
    from_root_hash: Hash
    to_size: int
    to_root_hash: Hash
    proof: list[Hash]

    @classmethod
    def of(cls, proof: ConsistencyProof) -> Self:
        """Return the answer for a proof."""
        return cls(
            from_size=proof.from_size,
            from_root_hash=proof.from_root.hex(),
            to_size=proof.to_size,
            to_root_hash=proof.to_root.hex(),
            proof=[hashed.hex() for hashed in proof.hashes],
        )


class ErasureIn(BaseModel):
    """Whose personal values to erase."""

    model_config = ConfigDict(extra="forbid")

    subjects: list[Annotated[Text, Field(min_length=1, max_length=200)]] = Field(
        default_factory=list, max_length=1_000, description="Entries about these"
    )
    account_ids: list[UUID] = Field(
        default_factory=list, max_length=100, description="Entries that name these accounts, payments among them"
    )

    @model_validator(mode="after")
    def _names_someone(self) -> Self:
        if not self.subjects and not self.account_ids:
            raise ValueError("name subjects or account_ids")
        return self


class ErasureOut(BaseModel):
    """What was erased."""

    erased_values: int
