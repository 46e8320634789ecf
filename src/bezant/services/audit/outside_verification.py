"""Verify a tenant's log from outside, over the public API: what `bezant audit verify` does.

Nothing here trusts the platform: all hashes are computed here, the head's signature is checked with a public key
that is kept from the first time on, and a head kept from an earlier time has to be a prefix of the log of today.
"""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import aiohttp

from bezant.services.audit.domain.merkle import verify_consistency
from bezant.services.audit.domain.tree_heads import CheckpointInvalid, TreeHead, open_checkpoint
from bezant.services.audit.domain.verification import LogVerifier, VerificationFailed, read_entry

_PAGE: Final = 1_000
Progress = Callable[[int, int], None]
"""Told how many entries were verified, of how many."""


@dataclass(frozen=True, slots=True)
class VerifiedLog:
    """What was verified."""

    tenant_id: UUID
    size: int
    root: str
    signed_at: str
    disclosed_values: int
    erased_values: int
    kept_head_size: int | None
    """Size of the head from an earlier time that the log was found to extend; None if there was none."""


@dataclass(frozen=True, slots=True)
class _KeptHead:
    checkpoint: str
    public_key: str


async def verify_log(
    base_url: str, api_key: str, *, head_file: Path | None = None, on_progress: Progress | None = None
) -> VerifiedLog:
    """Fetch the whole log and verify it against its signed head, and against the head kept in `head_file`.

    The file is written when the log was found good, and read the next time. Raises `VerificationFailed` with the
    first difference, and `aiohttp.ClientError` when the platform does not answer.
    """
    async with aiohttp.ClientSession(
        base_url, headers={"authorization": f"Bearer {api_key}"}, timeout=aiohttp.ClientTimeout(total=60)
    ) as session:
        return await _Verification(session, on_progress or (lambda _done, _of: None)).run(head_file)


class _Verification:
    def __init__(self, session: aiohttp.ClientSession, on_progress: Progress) -> None:
        self._session = session
        self._on_progress = on_progress
        self._disclosed = 0
        self._erased = 0
        self._entry_ids: list[str] = []

    async def run(self, head_file: Path | None) -> VerifiedLog:
        kept = _read_kept(head_file)
        answer = await self._get("/v1/audit/tree-head")
        checkpoint, public_key = str(answer["checkpoint"]), str(answer["public_key"])
        if kept is not None and kept.public_key != public_key:
            raise VerificationFailed(
                f"the log is signed with another key ({public_key}) than the one kept ({kept.public_key})"
            )
        head = _opened(checkpoint, public_key, "the head of the log")
        earlier = None if kept is None else _opened(kept.checkpoint, kept.public_key, "the head that was kept")
        if earlier is not None:
            await self._check_extends(earlier, head)
        verifier = LogVerifier(_tenant_of(head))
        await self._read_all(verifier, head, earlier)
        try:
            verifier.check_head(head, "the signed head")
        except VerificationFailed as failed:
            raise await self._located(failed, verifier, head) from None
        if head_file is not None:
            _keep(head_file, _KeptHead(checkpoint, public_key))
        return VerifiedLog(
            tenant_id=verifier.tenant_id,
            size=head.size,
            root=head.root.hex(),
            signed_at=head.time,
            disclosed_values=self._disclosed,
            erased_values=self._erased,
            kept_head_size=None if earlier is None else earlier.size,
        )

    async def _check_extends(self, earlier: TreeHead, head: TreeHead) -> None:
        if earlier.origin != head.origin:
            raise VerificationFailed(f"the head that was kept is of {earlier.origin}, the log is {head.origin}")
        if earlier.size > head.size:
            raise VerificationFailed(
                f"the log held {earlier.size} entries at {earlier.time}, and holds {head.size} now", position=head.size
            )
        answer = await self._get("/v1/audit/proofs/consistency", {"from": earlier.size, "to": head.size})
        proof = [bytes.fromhex(hashed) for hashed in answer["proof"]]
        if not verify_consistency(earlier.size, head.size, earlier.root, head.root, proof):
            raise VerificationFailed(
                f"the log of today does not extend the one of {earlier.time}: "
                f"at least one of its first {earlier.size} entries was changed since"
            )

    async def _read_all(self, verifier: LogVerifier, head: TreeHead, earlier: TreeHead | None) -> None:
        cursor: str | None = None
        while verifier.size < head.size:
            parameters: dict[str, Any] = {"limit": min(_PAGE, head.size - verifier.size)}
            if cursor is not None:
                parameters["cursor"] = cursor
            page = await self._get("/v1/audit/entries", parameters)
            for document in page["data"]:
                entry = read_entry(document)
                verifier.add(entry)
                self._entry_ids.append(document["entry_id"])
                self._disclosed += len(entry.disclosed)
                self._erased += len(document["personal_values"]) - len(entry.disclosed)
                if earlier is not None and verifier.size == earlier.size:
                    verifier.check_head(earlier, f"the head kept from {earlier.time}")
            self._on_progress(verifier.size, head.size)
            cursor = page["next_cursor"]
            if cursor is None:
                break

    async def _located(self, failed: VerificationFailed, verifier: LogVerifier, head: TreeHead) -> VerificationFailed:
        """Return the failure with the first changed entry, found by descending into inclusion proofs."""
        if failed.position is not None or verifier.size != head.size:
            return failed
        position = 0
        while True:
            parameters = {"entry_id": self._entry_ids[position], "tree_size": head.size}
            answer = await self._get("/v1/audit/proofs/inclusion", parameters)
            proof = [bytes.fromhex(hashed) for hashed in answer["proof"]]
            differing = verifier.first_differing_range(position, head.size, proof)
            if differing is None or differing[0] <= position:
                break
            position = differing[0]
        return VerificationFailed(
            f"{failed.reason}; the first entry that is not the one signed for is {position} "
            f"({self._entry_ids[position]})",
            position=position,
        )

    async def _get(self, path: str, parameters: dict[str, Any] | None = None) -> dict[str, Any]:
        async with self._session.get(path, params=parameters) as response:
            response.raise_for_status()
            document: dict[str, Any] = await response.json()
            return document


def _opened(checkpoint: str, public_key: str, what: str) -> TreeHead:
    try:
        return open_checkpoint(checkpoint, public_key)
    except CheckpointInvalid as error:
        raise VerificationFailed(f"{what} cannot be trusted: {error}") from error


def _tenant_of(head: TreeHead) -> UUID:
    try:
        return UUID(head.origin.rpartition("/")[2])
    except ValueError:
        raise VerificationFailed(f"the head is of {head.origin}, which is no tenant's log") from None


def _keep(head_file: Path, head: _KeptHead) -> None:
    # Replaced as a whole: a head that was half written could not be compared with next time.
    new = head_file.with_name(head_file.name + ".new")
    new.write_text(json.dumps(asdict(head), indent=2) + "\n")
    new.replace(head_file)


def _read_kept(head_file: Path | None) -> _KeptHead | None:
    if head_file is None or not head_file.exists():
        return None
    try:
        document = json.loads(head_file.read_text())
        return _KeptHead(document["checkpoint"], document["public_key"])
    except (ValueError, KeyError, TypeError) as error:
        raise VerificationFailed(f"{head_file} does not hold a tree head: {error!r}") from error
