"""Turn stored transfers and results into answers of the public API."""

from collections.abc import Callable
from uuid import UUID

import msgspec

from bezant.contracts.internal.ledger import CommandResult
from bezant.contracts.money import Balance
from bezant.services.transaction.api.schemas import Batch, BatchPart, LegView, Transfer
from bezant.services.transaction.domain.book import HOLD_STATE_AFTER
from bezant.services.transaction.domain.problems import problem_of
from bezant.services.transaction.operations.post_group import Answer
from bezant.services.transaction.storage.history import StoredTransfer

Render = Callable[[CommandResult, dict[UUID, StoredTransfer]], Answer]
"""How a result is answered, given the transfers that it names as they are stored."""


def transfer_view(stored: StoredTransfer) -> Transfer:
    """Return the public form of a transfer."""
    by_direction = {
        direction: [leg.account_id for leg in stored.legs if leg.direction == direction]
        for direction in ("debit", "credit")
    }
    only = {direction: ids[0] if len(ids) == 1 else None for direction, ids in by_direction.items()}
    status = stored.hold_state or HOLD_STATE_AFTER.get(stored.kind, "posted")
    posted = stored.posted_amount_minor
    return Transfer(
        id=stored.id,
        kind=stored.kind,
        status="reversed" if stored.reversed_by is not None else status,
        amount=Balance(amount_minor=stored.amount_minor, currency=stored.currency),
        posted_amount=None if posted is None else Balance(amount_minor=posted, currency=stored.currency),
        debit_account_id=only["debit"],
        credit_account_id=only["credit"],
        legs=[
            LegView(account_id=leg.account_id, direction=leg.direction, amount_minor=leg.amount_minor)
            for leg in stored.legs
        ],
        pending_id=stored.pending_id,
        resolved_by=stored.resolved_by,
        reverses_id=stored.reverses_id,
        reversed_by=stored.reversed_by,
        batch_id=stored.batch_id,
        origin=stored.origin,
        expires_at=stored.expires_at,
        reference=stored.reference,
        metadata=stored.metadata,
        created_at=stored.created_at,
    )


def render_transfer(result: CommandResult, transfers: dict[UUID, StoredTransfer]) -> Answer:
    """Answer a request for one transfer: 201 made now, 200 made before, or the refusal's problem."""
    if result.status == "refused":
        return _refusal(result)
    body = transfer_view(transfers[result.id]).model_dump_json()
    return Answer(201 if result.status == "created" else 200, body)


def render_batch(*, atomic: bool) -> Render:
    """Return how a batch's request is answered: part by part, or with a problem when all of it was refused."""

    def render(result: CommandResult, transfers: dict[UUID, StoredTransfer]) -> Answer:
        parts = result.parts or []
        if result.status == "refused" and atomic:
            return _refusal(result, parts)
        batch = Batch(
            id=result.id,
            atomic=atomic,
            results=[
                BatchPart(
                    status=part.status,
                    id=part.id,
                    transfer=None if part.status == "refused" else transfer_view(transfers[part.id]),
                    reason_code=part.reason_code,
                    detail=part.detail,
                )
                for part in parts
            ],
        )
        return Answer(201 if result.status == "created" else 200, batch.model_dump_json())

    return render


def _refusal(result: CommandResult, parts: list[CommandResult] | None = None) -> Answer:
    problem = problem_of(result.reason_code, result.detail)
    if parts is not None:
        problem.extensions["results"] = [
            {"status": part.status, "id": str(part.id), "reason_code": part.reason_code, "detail": part.detail}
            for part in parts
        ]
    return Answer(problem.status, msgspec.json.encode(problem.document()).decode())
