-- name: summary
-- How much was checked, and each currency's total, which must be zero.
SELECT (SELECT count(*) FROM ledger.accounts), (SELECT count(*) FROM ledger.transfers),
  (SELECT count(*) FROM ledger.entries), (SELECT count(*) FROM ledger.holds WHERE state = 'pending')
