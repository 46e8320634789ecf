"""The account service: accounts as their owners see them.

It owns an account's name, metadata, limits and status, in the schema `account` of the tenant's database. What
it confirms is already enforced by the ledger: an account that was just opened can be paid, one that was frozen
cannot be debited by anybody. It publishes `account.opened`, `.frozen`, `.unfrozen`, `.closed` and
`.limits_changed` on `account.events`.
"""
