"""A witness of audit logs: keeps the last head it saw of each log, and co-signs only what extends it.

Its directory holds its private key (mode 0600) and one kept head for each log; losing the heads makes it blind to
what came before, so it belongs on a machine that the platform's operator cannot write to.
"""

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from bezant.client import BezantClient
from bezant.services.audit.domain.cosignatures import cosign, witness_key
from bezant.verifier.audit_log import Head, Trust, VerificationFailed, keep_head, trust_of, verify_heads


@dataclass(frozen=True, slots=True)
class WitnessReport:
    """What the witness did."""

    witness: str
    """Its verifier key."""
    log: str | None = None
    size: int | None = None
    extends_size: int | None = None
    """Size of the head it co-signed before; None the first time."""


async def cosign_head(url: str, api_key: str | None, state: Path, name: str) -> WitnessReport:
    """Verify that the head of today extends the kept one, co-sign it, hand the signature in, and keep the head.

    Without an API key only the witness's own key is made and returned. Raises `VerificationFailed`, `ApiProblem`.
    """
    name, key = _own_key(state, name)
    verifier = witness_key(name, key)
    if api_key is None:
        return WitnessReport(verifier)
    async with BezantClient(url, api_key) as client:
        answer = await client.get("/v1/audit/tree-head")
        # Opened twice: once to learn which log it is, then with what is trusted of that log.
        origin = Trust().opened(answer["checkpoint"], answer["public_key"], [], "the head")[0].origin
        head_file = state / f"{origin.replace('/', '_')}.json"
        trust = trust_of(head_file, None)
        head, public_key = trust.opened(
            answer["checkpoint"], answer["public_key"], answer["key_rotations"], "the head of the log"
        )
        kept = await _compared(client, trust, head)
        line = cosign(answer["checkpoint"], name, key, seconds=int(time.time()))
        # Kept before it is handed in: what has left this machine is never forgotten.
        keep_head(head_file, checkpoint=answer["checkpoint"], public_key=public_key)
        await client.post("/v1/audit/cosignatures", {"tree_size": head.size, "cosignature": line})
    return WitnessReport(verifier, head.origin, head.size, kept)


async def _compared(client: BezantClient, trust: Trust, head: Head) -> int | None:
    if trust.kept_checkpoint is None:
        return None
    kept = trust.opened(trust.kept_checkpoint, trust.public_key or "", [], "the kept head")[0]
    if kept.size > head.size:
        raise VerificationFailed(f"the log held {kept.size} entries at {kept.time}, and holds {head.size} now")
    proof: Any = await client.get("/v1/audit/proofs/consistency", **{"from": kept.size, "to": head.size})
    verify_heads(kept, head, proof)
    return kept.size


def _own_key(state: Path, name: str) -> tuple[str, Ed25519PrivateKey]:
    """Return the witness's name and key, made on first use."""
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    key_file, name_file = state / "witness-key.pem", state / "witness-name"
    if not key_file.exists():
        # The name first: a key without its name could not sign as anybody.
        name_file.write_text(name + "\n", encoding="utf-8")
        descriptor = os.open(key_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            made = Ed25519PrivateKey.generate()
            file.write(made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    key = load_pem_private_key(key_file.read_bytes(), password=None)
    if not isinstance(key, Ed25519PrivateKey):
        raise VerificationFailed(f"{key_file} does not hold an Ed25519 key")
    return name_file.read_text(encoding="utf-8").strip(), key
