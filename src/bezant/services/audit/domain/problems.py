"""Every error of the audit service that a client can see."""

from bezant.contracts.problems import Conflict, InvalidRequest, NotFound, Unavailable, Unprocessable


class EntryNotFound(NotFound):
    """No entry of that id in this tenant's log."""

    code = "audit_entry_not_found"
    title = "Audit entry not found"


class TreeSizeInvalid(InvalidRequest):
    """A tree size that the log has not reached, or that does not hold the entry."""

    code = "audit_tree_size_invalid"
    title = "The tree size is not valid"


class TreeHeadKeyUnavailable(Unavailable):
    """The secret store does not give the key that signs tree heads."""

    code = "audit_key_unavailable"
    title = "Tree heads cannot be signed now"


class ReceiptNotFound(NotFound):
    """No entry about that payment is in this tenant's log, or not yet: entries follow payments within a second."""

    code = "audit_receipt_not_found"
    title = "No receipt for this payment"


class ExportRangeInvalid(InvalidRequest):
    """An export that starts after the end of the log."""

    code = "audit_export_range_invalid"
    title = "The export's range is not valid"


class WitnessInvalid(Unprocessable):
    """A witness's verifier key that cannot be read."""

    code = "audit_witness_invalid"
    title = "The witness is not valid"


class WitnessExists(Conflict):
    """A witness of that name or key is there already."""

    code = "audit_witness_exists"
    title = "The witness exists"


class WitnessNotFound(NotFound):
    """No witness of that name for this tenant's log."""

    code = "audit_witness_not_found"
    title = "Witness not found"


class CosignatureInvalid(Unprocessable):
    """A cosignature of no witness of this log, or one that does not fit the head."""

    code = "audit_cosignature_invalid"
    title = "The cosignature is not valid"


class TreeHeadNotFound(NotFound):
    """No head was signed for that size."""

    code = "audit_tree_head_not_found"
    title = "Tree head not found"
