"""Verify a tenant's log from outside, over the public API: fetch the export and give it to the verifier.

Nothing here trusts the platform; `bezant.verifier.audit_log` computes all hashes, checks the head's signature with
a public key that is kept from the first time on, and demands that the log extends a head kept from earlier.
"""

import hashlib
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, Final

import aiohttp

from bezant.verifier.audit_log import VerificationFailed, VerifiedExport, keep_head, trust_of, verify_export

Progress = Callable[[int, int], None]
"""Told how many entries are done, of how many."""
_CHUNK_BYTES: Final = 1 << 16


class ExportRefused(Exception):
    """The platform did not hand out the log; the message says what it answered."""


async def download_export(
    base_url: str, api_key: str, file: IO[bytes], *, start: int = 0, limit: int | None = None, disclose: bool = True
) -> str:
    """Write the log from an entry on into a file, part after part, and return the file's SHA-256.

    Raises `ExportRefused`, and `aiohttp.ClientError` when the platform does not answer.
    """
    digest = hashlib.sha256()
    following: str | None = str(start)
    async with aiohttp.ClientSession(
        base_url, headers={"authorization": f"Bearer {api_key}"}, timeout=aiohttp.ClientTimeout(total=600)
    ) as session:
        while following is not None:
            query = {"from": following, "disclose": str(disclose).lower()}
            if limit is not None:
                query["limit"] = str(limit)
            async with session.get("/v1/audit/export", params=query) as answer:
                if answer.status != 200:
                    raise ExportRefused(f"{answer.status}: {(await answer.text())[:500]}")
                async for chunk in answer.content.iter_chunked(_CHUNK_BYTES):
                    digest.update(chunk)
                    file.write(chunk)
                following = answer.headers.get("bezant-next-from")
    file.flush()
    return digest.hexdigest()


async def verify_log(
    base_url: str, api_key: str, *, head_file: Path | None = None, on_progress: Progress | None = None
) -> VerifiedExport:
    """Fetch the whole log and verify it against its signed head, and against the head kept in `head_file`.

    The file is written when the log was found good, and read the next time. Raises `VerificationFailed` with the
    first difference, `ExportRefused`, and `aiohttp.ClientError` when the platform does not answer.
    """
    with tempfile.NamedTemporaryFile(prefix="bezant-audit-", suffix=".jsonl") as file:
        await download_export(base_url, api_key, file)
        trust = trust_of(head_file, None)
        verified = verify_export(Path(file.name), trust, on_progress)
    if head_file is not None:
        keep_head(head_file, checkpoint=verified.checkpoint, public_key=verified.public_key)
    return verified


__all__ = ["ExportRefused", "VerificationFailed", "VerifiedExport", "download_export", "verify_log"]
