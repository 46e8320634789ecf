"""The events of the account service."""

from bezant.contracts.account_events import AccountState
from bezant.contracts.events import ACCOUNT_EVENTS, Event
from bezant.services.account.domain.account import Account


def account_event(kind: str, account: Account, *, actor: str) -> Event:
    """Return an event that shows the account as it is now."""
    if account.status == "opening":
        raise ValueError("an account that is being opened is not announced")
    return Event(
        type=kind,
        topic=ACCOUNT_EVENTS,
        subject=str(account.id),
        actor=actor,
        data=AccountState(
            account_id=account.id,
            name=account.name,
            account_type=account.account_type,
            currency=account.currency,
            status=account.status,
            overdraft_limit_minor=account.overdraft_limit_minor,
            daily_limit_minor=account.daily_limit_minor,
            metadata=account.metadata,
            revision=account.revision,
        ),
    )
