"""Answers about what an outsider verifies: receipts, keys, witnesses, retention."""

from datetime import datetime
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from bezant.contracts.annotations import Text
from bezant.services.audit.api.schemas import Hash, PersonalValueOut
from bezant.services.audit.domain.entries import Entry
from bezant.services.audit.operations.expire_personal_values import Retention
from bezant.services.audit.operations.make_receipt import Receipt
from bezant.services.audit.operations.witness_heads import Witness
from bezant.services.audit.storage.tree_head_key import SigningKey


class ReceiptEntryOut(BaseModel):
    """One event of the payment, with its proof (RFC 6962 §2.1.1) under the receipt's head."""

    position: int
    leaf: str = Field(description="RFC 8785 JSON: exactly the text that is hashed")
    proof: list[Hash]
    personal_values: list[PersonalValueOut] = Field(description="Those the leaf commits to; shown with `disclose`")

    @classmethod
    def of(cls, entry: Entry, proof: list[bytes], *, disclose: bool) -> Self:
        """Return the answer for an entry of a receipt."""
        shown = [PersonalValueOut.of(value) for value in entry.personal_values]
        if not disclose:
            shown = [PersonalValueOut(pointer=value.pointer, erased=True) for value in shown]
        return cls(
            position=entry.position,
            leaf=entry.leaf,
            proof=[hashed.hex() for hashed in proof],
            personal_values=shown,
        )


class ReceiptOut(BaseModel):
    """What a payment went through. It verifies offline, with the stand-alone verifier or any RFC 6962 library."""

    format: Literal["bezant-receipt/1"] = "bezant-receipt/1"
    payment_id: UUID
    tree_size: int
    root_hash: Hash
    checkpoint: str = Field(description="C2SP checkpoint in a signed note (https://c2sp.org/tlog-checkpoint)")
    public_key: str = Field(description="Verifier key, Ed25519 (https://c2sp.org/signed-note)")
    key_rotations: list[str] = Field(description="How the signing key came to be the present one, oldest first")
    entries: list[ReceiptEntryOut] = Field(description="Oldest first; the last one is how the payment stands")

    @classmethod
    def of(cls, receipt: Receipt, *, disclose: bool) -> Self:
        """Return the answer for a receipt."""
        return cls(
            payment_id=receipt.payment_id,
            tree_size=receipt.head.size,
            root_hash=receipt.head.root.hex(),
            checkpoint=receipt.head.checkpoint,
            public_key=receipt.signing.public,
            key_rotations=receipt.signing.rotations,
            entries=[ReceiptEntryOut.of(entry, proof, disclose=disclose) for entry, proof in receipt.entries],
        )


class SigningKeysOut(BaseModel):
    """The key that signs heads now, and the notes by which each earlier key handed over to the next."""

    public_key: str
    key_rotations: list[str]

    @classmethod
    def of(cls, signing: SigningKey) -> Self:
        """Return the answer for the key."""
        return cls(public_key=signing.public, key_rotations=signing.rotations)


class WitnessIn(BaseModel):
    """A witness to be added."""

    model_config = ConfigDict(extra="forbid")

    verifier_key: Annotated[Text, Field(min_length=10, max_length=300)] = Field(
        description="`<name>+<key id>+<base64>` with the key type 0x04 (https://c2sp.org/tlog-cosignature)"
    )


class WitnessOut(BaseModel):
    """Somebody outside who may co-sign the log's heads."""

    name: str
    verifier_key: str
    added_by: str
    added_at: datetime

    @classmethod
    def of(cls, witness: Witness) -> Self:
        """Return the answer for a witness."""
        return cls(
            name=witness.name,
            verifier_key=witness.verifier_key,
            added_by=witness.added_by,
            added_at=witness.added_at,
        )


class WitnessesOut(BaseModel):
    """All witnesses of the log."""

    data: list[WitnessOut]


class CosignatureIn(BaseModel):
    """A witness's signature under a head."""

    model_config = ConfigDict(extra="forbid")

    tree_size: int = Field(ge=0, le=2**63 - 1)
    cosignature: Annotated[str, Field(min_length=10, max_length=500)] = Field(
        description="The signature line, `— <name> <base64>`"
    )


class RetentionIn(BaseModel):
    """How long personal values are kept."""

    model_config = ConfigDict(extra="forbid")

    personal_values_days: int | None = Field(
        ge=1, le=36_500, description="Older ones are erased, without touching any proof; null keeps them"
    )


class RetentionOut(BaseModel):
    """How long personal values are kept, and who decided it."""

    personal_values_days: int | None
    changed_by: str | None
    changed_at: datetime | None

    @classmethod
    def of(cls, retention: Retention) -> Self:
        """Return the answer for the setting."""
        return cls(
            personal_values_days=retention.personal_values_days,
            changed_by=retention.changed_by,
            changed_at=retention.changed_at,
        )
