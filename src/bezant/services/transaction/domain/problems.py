"""The ledger's refusals as problems of the public API: one class for each reason code."""

from typing import Final

from bezant.contracts.problems import Problem
from bezant.services.transaction.domain.reasons import Reason

_STATUS_AND_TITLE: Final[dict[Reason, tuple[int, str]]] = {
    Reason.TRANSFER_ID_REUSED: (409, "The transfer id belongs to another transfer"),
    Reason.LINKED_TRANSFER_REFUSED: (422, "Another transfer of the batch was refused"),
    Reason.AMOUNT_INVALID: (422, "An amount is out of range"),
    Reason.LEGS_INVALID: (422, "The legs do not make a transfer"),
    Reason.SAME_ACCOUNT: (422, "An account occurs twice in one transfer"),
    Reason.EXPIRES_AT_INVALID: (422, "The expiry is not valid"),
    Reason.HOLD_NOT_FOUND: (404, "There is no such pending transfer"),
    Reason.TRANSFER_NOT_FOUND: (404, "There is no such transfer"),
    Reason.TRANSFER_OF_PAYMENT: (409, "The transfer belongs to a payment"),
    Reason.TRANSFER_NOT_PENDING: (409, "The transfer is not pending"),
    Reason.TRANSFER_NOT_REVERSIBLE: (409, "The transfer cannot be reversed"),
    Reason.HOLD_ALREADY_POSTED: (409, "The hold has been posted"),
    Reason.HOLD_ALREADY_VOIDED: (409, "The hold has been voided"),
    Reason.HOLD_EXPIRED: (409, "The hold has expired"),
    Reason.HOLD_NOT_DUE: (409, "The hold has not expired yet"),
    Reason.TRANSFER_ALREADY_REVERSED: (409, "The transfer has been reversed"),
    Reason.AMOUNT_EXCEEDS_HOLD: (422, "The amount exceeds the hold"),
    Reason.LEGS_REQUIRED: (422, "Say how the amount is spread over the legs"),
    Reason.ACCOUNT_NOT_FOUND: (404, "There is no such account"),
    Reason.CURRENCY_MISMATCH: (422, "The currencies differ"),
    Reason.ACCOUNT_CLOSED: (409, "The account is closed"),
    Reason.ACCOUNT_FROZEN: (409, "The account is frozen"),
    Reason.INSUFFICIENT_FUNDS: (422, "The account has not enough funds"),
    Reason.DAILY_LIMIT_EXCEEDED: (422, "The account's daily limit is exceeded"),
    Reason.REFUSED_BY_DATABASE: (500, "The ledger could not write this"),
    Reason.ACCOUNT_ID_REUSED: (409, "The account id belongs to another account"),
    Reason.REVISION_OUTDATED: (409, "The account has changed since"),
    Reason.LIMITS_INVALID: (422, "The limits are not valid"),
    Reason.ACCOUNT_HAS_HOLDS: (409, "The account has open holds"),
    Reason.ACCOUNT_HAS_BALANCE: (409, "The account has a balance"),
    Reason.OVERDRAFT_LIMIT_IN_USE: (409, "The overdraft limit is in use"),
}

PROBLEM_OF_REASON: Final[dict[Reason, type[Problem]]] = {
    reason: type(
        "".join(word.capitalize() for word in reason.value.split("_")),
        (Problem,),
        {"__doc__": f"{title}.", "status": status, "code": reason.value, "title": title},
    )
    for reason, (status, title) in _STATUS_AND_TITLE.items()
}
"""The problem that each reason is answered as; its code is the reason's."""


def problem_of(reason_code: str | None, detail: str | None) -> Problem:
    """Return the problem for a refused command's reason code."""
    if reason_code is None:
        raise ValueError("a refusal has a reason code")
    return PROBLEM_OF_REASON[Reason(reason_code)](detail or "")
