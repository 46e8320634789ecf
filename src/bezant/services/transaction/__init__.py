"""The transaction service: a double-entry ledger for each tenant.

It owns transfers, entries, balances and everything that can refuse a posting (status, limits, currency),
in the schema `ledger` of the tenant's database. It promises that a transfer is atomic, balanced, immutable
and happens once per id, and that no account passes its limits, whoever races whom. It publishes
`transfer.pending`, `.posted`, `.voided`, `.expired` and `.reversed` on `transfer.events`.
"""
