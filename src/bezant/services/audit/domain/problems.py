"""Every error of the audit service that a client can see."""

from bezant.contracts.problems import InvalidRequest, NotFound, Unavailable


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
