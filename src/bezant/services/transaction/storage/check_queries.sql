-- name: snapshot
-- All queries of one check see one moment.
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ

-- name: counted
-- How much is checked, and when.
SELECT clock_timestamp(), (SELECT count(*) FROM ledger.accounts), (SELECT count(*) FROM ledger.transfers),
  (SELECT count(*) FROM ledger.entries), (SELECT count(*) FROM ledger.holds WHERE state = 'pending')

-- name: currency_totals
-- Posted balances by currency; each must be zero, since every debit has its credit.
SELECT currency, sum(posted_credits - posted_debits), sum(posted_credits), sum(pending_credits - pending_debits)
FROM ledger.accounts GROUP BY currency ORDER BY currency

-- name: balances
-- Each account's sums and version, recomputed from its entries.
WITH sums AS (
  SELECT account_id, count(*) AS version,
    coalesce(sum(amount_minor) FILTER (WHERE phase = 'posted' AND direction = 'debit'), 0) AS posted_debits,
    coalesce(sum(amount_minor) FILTER (WHERE phase = 'posted' AND direction = 'credit'), 0) AS posted_credits,
    coalesce(sum(CASE phase WHEN 'pending' THEN amount_minor ELSE -amount_minor END)
      FILTER (WHERE phase <> 'posted' AND direction = 'debit'), 0) AS pending_debits,
    coalesce(sum(CASE phase WHEN 'pending' THEN amount_minor ELSE -amount_minor END)
      FILTER (WHERE phase <> 'posted' AND direction = 'credit'), 0) AS pending_credits
  FROM ledger.entries GROUP BY account_id
)
SELECT 'account' AS what, coalesce(a.id, s.account_id)::text AS id, d.field, d.expected::text, d.found::text,
  count(*) OVER () AS total
FROM ledger.accounts a FULL JOIN sums s ON s.account_id = a.id
CROSS JOIN LATERAL (VALUES
  ('posted_debits', coalesce(s.posted_debits, 0), a.posted_debits),
  ('posted_credits', coalesce(s.posted_credits, 0), a.posted_credits),
  ('pending_debits', coalesce(s.pending_debits, 0), a.pending_debits),
  ('pending_credits', coalesce(s.pending_credits, 0), a.pending_credits),
  ('version', coalesce(s.version, 0), a.version::numeric)) AS d(field, expected, found)
WHERE d.expected IS DISTINCT FROM d.found
ORDER BY 2, 3 LIMIT %(limit)s

-- name: pending_sums
-- Each account's pending sums, recomputed from the holds that are open.
WITH sums AS (
  SELECT e.account_id,
    coalesce(sum(e.amount_minor) FILTER (WHERE e.direction = 'debit'), 0) AS pending_debits,
    coalesce(sum(e.amount_minor) FILTER (WHERE e.direction = 'credit'), 0) AS pending_credits
  FROM ledger.holds h JOIN ledger.entries e ON e.transfer_id = h.transfer_id
  WHERE h.state = 'pending' GROUP BY e.account_id
)
SELECT 'account' AS what, coalesce(a.id, s.account_id)::text AS id, d.field, d.expected::text, d.found::text,
  count(*) OVER () AS total
FROM ledger.accounts a FULL JOIN sums s ON s.account_id = a.id
CROSS JOIN LATERAL (VALUES
  ('pending_debits of open holds', coalesce(s.pending_debits, 0), a.pending_debits),
  ('pending_credits of open holds', coalesce(s.pending_credits, 0), a.pending_credits)) AS d(field, expected, found)
WHERE d.expected IS DISTINCT FROM d.found
ORDER BY 2, 3 LIMIT %(limit)s

-- name: daily_sums
-- What counted against each account's latest limit day, recomputed from its entries.
SELECT 'account' AS what, a.id::text, 'limit_day_out_minor' AS field, coalesce(s.out_minor, 0)::text AS expected,
  a.limit_day_out_minor::text AS found, count(*) OVER () AS total
FROM ledger.accounts a
LEFT JOIN (
  SELECT account_id, limit_day, sum(CASE phase WHEN 'released' THEN -amount_minor ELSE amount_minor END) AS out_minor
  FROM ledger.entries WHERE limit_day IS NOT NULL GROUP BY account_id, limit_day
) s ON s.account_id = a.id AND s.limit_day = a.limit_day
WHERE coalesce(s.out_minor, 0) <> a.limit_day_out_minor
ORDER BY 2 LIMIT %(limit)s

-- name: running_balances
-- The balance after each entry and the numbering of entries, recomputed in order.
SELECT 'entry' AS what, r.transfer_id || '/' || r.leg AS id, d.field, d.expected::text, d.found::text,
  count(*) OVER () AS total
FROM (
  SELECT e.*,
    row_number() OVER by_version AS expected_version,
    CASE a.normal_side WHEN 'credit' THEN 1 ELSE -1 END
      * coalesce(sum(CASE e.direction WHEN 'credit' THEN e.amount_minor ELSE -e.amount_minor END)
        FILTER (WHERE e.phase = 'posted') OVER by_version, 0) AS expected_balance
  FROM ledger.entries e LEFT JOIN ledger.accounts a ON a.id = e.account_id
  WINDOW by_version AS (PARTITION BY e.account_id ORDER BY e.account_version ROWS UNBOUNDED PRECEDING)
) r
CROSS JOIN LATERAL (VALUES
  ('account_version', r.expected_version::numeric, r.account_version::numeric),
  ('balance_after_minor', r.expected_balance, r.balance_after_minor)) AS d(field, expected, found)
WHERE d.expected IS DISTINCT FROM d.found
ORDER BY r.account_id, r.account_version LIMIT %(limit)s

-- name: transfers
-- Every transfer balances, is complete, and moves what it says it moves.
WITH sums AS (
  SELECT transfer_id, count(*) AS lines,
    coalesce(sum(amount_minor) FILTER (WHERE phase = 'posted' AND direction = 'debit'), 0) AS posted_debits,
    coalesce(sum(amount_minor) FILTER (WHERE phase = 'posted' AND direction = 'credit'), 0) AS posted_credits,
    coalesce(sum(amount_minor) FILTER (WHERE phase = 'pending' AND direction = 'debit'), 0) AS pending_debits,
    coalesce(sum(amount_minor) FILTER (WHERE phase = 'pending' AND direction = 'credit'), 0) AS pending_credits,
    coalesce(sum(amount_minor) FILTER (WHERE phase = 'released' AND direction = 'debit'), 0) AS released_debits,
    coalesce(sum(amount_minor) FILTER (WHERE phase = 'released' AND direction = 'credit'), 0) AS released_credits
  FROM ledger.entries GROUP BY transfer_id
)
SELECT 'transfer' AS what, coalesce(t.id, s.transfer_id)::text AS id, d.field, d.expected::text, d.found::text,
  count(*) OVER () AS total
FROM ledger.transfers t FULL JOIN sums s ON s.transfer_id = t.id
LEFT JOIN ledger.holds h ON h.transfer_id = t.pending_id
CROSS JOIN LATERAL (VALUES
  ('line_count', t.line_count::numeric, coalesce(s.lines, 0)::numeric),
  ('credits equal to posted debits', s.posted_debits, s.posted_credits),
  ('credits equal to pending debits', s.pending_debits, s.pending_credits),
  ('credits equal to released debits', s.released_debits, s.released_credits),
  ('posted amount', CASE WHEN t.kind IN ('transfer', 'post', 'reversal') THEN t.amount_minor ELSE 0 END,
    s.posted_debits),
  ('pending amount', CASE WHEN t.kind = 'pending' THEN t.amount_minor ELSE 0 END, s.pending_debits),
  ('released amount', CASE WHEN t.kind IN ('post', 'void', 'expire') THEN h.amount_minor ELSE 0 END,
    s.released_debits)) AS d(field, expected, found)
WHERE d.expected IS DISTINCT FROM d.found
ORDER BY 2, 3 LIMIT %(limit)s

-- name: currencies
-- Entries are in the currency of their accounts.
SELECT 'transfer' AS what, t.id::text, 'currency' AS field, a.currency AS expected, t.currency AS found,
  count(*) OVER () AS total
FROM ledger.entries e JOIN ledger.transfers t ON t.id = e.transfer_id JOIN ledger.accounts a ON a.id = e.account_id
WHERE a.currency <> t.currency
ORDER BY 2 LIMIT %(limit)s

-- name: holds
-- The state of each hold is what its end says, or pending without one.
SELECT 'hold' AS what, coalesce(p.id, h.transfer_id)::text AS id, d.field, d.expected, d.found,
  count(*) OVER () AS total
FROM (SELECT id, amount_minor FROM ledger.transfers WHERE kind = 'pending') p
FULL JOIN ledger.holds h ON h.transfer_id = p.id
LEFT JOIN ledger.transfers r ON r.pending_id = p.id
CROSS JOIN LATERAL (VALUES
  ('state', CASE WHEN p.id IS NULL THEN NULL WHEN r.id IS NULL THEN 'pending' WHEN r.kind = 'post' THEN 'posted'
    WHEN r.kind = 'void' THEN 'voided' ELSE 'expired' END, h.state),
  ('amount_minor', p.amount_minor::text, h.amount_minor::text),
  ('posted_amount_minor', CASE WHEN r.kind = 'post' THEN r.amount_minor ELSE 0 END::text,
    h.posted_amount_minor::text),
  ('resolved_by', r.id::text, h.resolved_by::text)) AS d(field, expected, found)
WHERE d.expected IS DISTINCT FROM d.found
ORDER BY 2, 3 LIMIT %(limit)s

-- name: reversals
-- A reversal is the mirror image of what it reverses.
SELECT 'transfer' AS what, r.id::text, 'amount_minor of the reversed transfer' AS field,
  o.amount_minor::text AS expected, r.amount_minor::text AS found, count(*) OVER () AS total
FROM ledger.transfers r LEFT JOIN ledger.transfers o ON o.id = r.reverses_id
WHERE r.kind = 'reversal' AND o.amount_minor IS DISTINCT FROM r.amount_minor
ORDER BY 2 LIMIT %(limit)s
