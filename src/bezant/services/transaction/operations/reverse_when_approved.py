"""Reverse a transfer that one person asked to reverse and another approved."""

from typing import Any, Final
from uuid import UUID

import msgspec

from bezant.contracts.internal.ledger import Reverse
from bezant.foundation.approvals import Approval, Executor
from bezant.services.transaction.domain.book import Submitted
from bezant.services.transaction.domain.problems import problem_of
from bezant.services.transaction.operations.post_group import Posting
from bezant.services.transaction.operations.write_group import Writer

REVERSE_TRANSFER: Final = "reverse_transfer"


def reversal_executor(writer: Writer) -> Executor:
    """Return what posts an approved reversal.

    The reversal's id was chosen when it was asked for: posted again, it is found and changes nothing.
    """

    async def reverse(tenant_id: UUID, approval: Approval) -> dict[str, Any]:
        command = msgspec.convert(approval.request, Reverse)
        posted = await writer.write(tenant_id, Posting(Submitted(command, "ledger")))
        assert posted.result is not None
        if posted.result.status == "refused":
            raise problem_of(posted.result.reason_code, posted.result.detail)
        return {"transfer_id": str(command.id)}

    return reverse
