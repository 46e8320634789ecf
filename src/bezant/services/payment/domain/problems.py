"""Errors of the payment service. What fraud, funds or limits refuse is no error but an outcome, see `payments`."""

from bezant.contracts.problems import Conflict, NotFound, Unprocessable


class AccountNotFound(NotFound):
    """The tenant has no account of this id; nothing was recorded."""

    code = "account_not_found"
    title = "The account does not exist"


class PaymentNotFound(NotFound):
    """The tenant has no payment of this id."""

    code = "payment_not_found"
    title = "The payment does not exist"


class CurrencyMismatch(Unprocessable):
    """The amount is in another currency than an account."""

    code = "currency_mismatch"
    title = "The currencies differ"


class SameAccount(Unprocessable):
    """A payment from an account to itself, or a split to a party of the payment."""

    code = "same_account"
    title = "An account is named twice"


class SplitsExceedAmount(Unprocessable):
    """The splits take more than the destination would get."""

    code = "splits_exceed_amount"
    title = "The splits exceed the amount"


class NotCapturable(Conflict):
    """Only an authorized payment can be captured."""

    code = "payment_not_capturable"
    title = "The payment cannot be captured"


class NotVoidable(Conflict):
    """Only an authorized payment, or one under review, can be voided."""

    code = "payment_not_voidable"
    title = "The payment cannot be voided"


class NotRefundable(Conflict):
    """Only a captured payment can be refunded."""

    code = "payment_not_refundable"
    title = "The payment cannot be refunded"


class AmountExceedsAuthorized(Unprocessable):
    """More would be captured than is authorized."""

    code = "amount_exceeds_authorized"
    title = "The amount exceeds what is authorized"


class AmountExceedsRefundable(Unprocessable):
    """More would be refunded than is left."""

    code = "amount_exceeds_refundable"
    title = "The amount exceeds what can be refunded"


class ActionInProgress(Conflict):
    """Another capture, void or expiry of the payment has not ended yet."""

    code = "action_in_progress"
    title = "Another action on this payment is in progress"


class LedgerRefused(Conflict):
    """The ledger refused the action; `reason_code` says why."""

    code = "ledger_refused"
    title = "The ledger refused it"
