-- name: transfers_page
-- All transfers, latest first, before a place in that order.
SELECT t.id, t.kind, t.currency, t.amount_minor, t.pending_id, t.reverses_id, t.batch_id, t.origin, t.reference,
  t.metadata, t.created_at, h.state, h.posted_amount_minor, h.expires_at, h.resolved_by, r.id
FROM ledger.transfers t
LEFT JOIN ledger.holds h ON h.transfer_id = t.id
LEFT JOIN ledger.transfers r ON r.reverses_id = t.id
WHERE (t.created_at, t.id) < (%(before_time)s, %(before_id)s)
ORDER BY t.created_at DESC, t.id DESC LIMIT %(limit)s

-- name: transfers_of_account_page
-- The transfers that touch an account, latest first, before one of its versions. A transfer's entries of one
-- account follow each other, so that the last of each run stands for the transfer.
SELECT t.id, t.kind, t.currency, t.amount_minor, t.pending_id, t.reverses_id, t.batch_id, t.origin, t.reference,
  t.metadata, t.created_at, h.state, h.posted_amount_minor, h.expires_at, h.resolved_by, r.id, e.account_version
FROM ledger.entries e
JOIN ledger.transfers t ON t.id = e.transfer_id
LEFT JOIN ledger.holds h ON h.transfer_id = t.id
LEFT JOIN ledger.transfers r ON r.reverses_id = t.id
WHERE e.account_id = %(account_id)s AND e.account_version < %(before_version)s
  AND NOT EXISTS (SELECT FROM ledger.entries f WHERE f.account_id = e.account_id
    AND f.account_version = e.account_version + 1 AND f.transfer_id = e.transfer_id)
ORDER BY e.account_version DESC LIMIT %(limit)s

-- name: transfers_by_id
-- The named transfers.
SELECT t.id, t.kind, t.currency, t.amount_minor, t.pending_id, t.reverses_id, t.batch_id, t.origin, t.reference,
  t.metadata, t.created_at, h.state, h.posted_amount_minor, h.expires_at, h.resolved_by,
  (SELECT r.id FROM ledger.transfers r WHERE r.reverses_id = t.id)
FROM unnest(%(transfer_ids)b::uuid[]) AS wanted(id)
CROSS JOIN LATERAL (SELECT * FROM ledger.transfers WHERE transfers.id = wanted.id OFFSET 0) t
LEFT JOIN LATERAL (SELECT * FROM ledger.holds WHERE transfer_id = wanted.id OFFSET 0) h ON true

-- name: legs
-- The lines of transfers, those that release a hold after those that post.
SELECT transfer_id, account_id, direction, amount_minor, phase FROM ledger.entries
WHERE transfer_id = ANY(%(transfer_ids)b::uuid[]) ORDER BY transfer_id, phase, leg

-- name: statement_account
-- An account and the versions between which a statement lies: those before `since` and before `until`.
SELECT a.currency, a.version, ledger.version_before(a.id, coalesce(%(since)s::timestamptz, '-infinity')),
  ledger.version_before(a.id, coalesce(%(until)s::timestamptz, 'infinity'))
FROM ledger.accounts a WHERE a.id = %(account_id)s

-- name: statement_entries
-- Posted entries of an account after one version and up to another, oldest first.
SELECT e.account_version, e.transfer_id, t.kind, e.direction, e.amount_minor, e.balance_after_minor, t.reference,
  e.created_at
FROM ledger.entries e JOIN ledger.transfers t ON t.id = e.transfer_id
WHERE e.account_id = %(account_id)s AND e.phase = 'posted'
  AND e.account_version > %(after_version)s AND e.account_version <= %(last_version)s
ORDER BY e.account_version LIMIT %(limit)s

-- name: balance_at
-- The posted balance right after a version of an account.
SELECT balance_after_minor FROM ledger.entries WHERE account_id = %(account_id)s AND account_version = %(version)s

-- name: closing_state
-- What stands in the way of closing the tenant.
SELECT (SELECT count(*) FROM ledger.holds WHERE state = 'pending'),
  (SELECT count(*) FROM ledger.accounts
   WHERE account_type IN ('customer', 'merchant') AND posted_debits <> posted_credits)
