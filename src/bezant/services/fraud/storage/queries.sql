-- name: active_version_and_known_assessments
-- The version that judges now, with each of the given payments that was judged before (one row at least).
SELECT (SELECT coalesce(max(version), 1) FROM fraud.rulesets),
       a.payment_id, a.assessment_id, a.decision, a.score, a.reasons::text, a.ruleset_version, a.degraded, c.case_id
FROM (SELECT 1) AS one
LEFT JOIN fraud.assessments a ON a.payment_id = ANY (%(payment_ids)b)
LEFT JOIN fraud.cases c ON c.assessment_id = a.assessment_id

-- name: insert_assessments
-- Store a group of assessments and open the cases among them; answers the payments that were not judged before.
WITH given AS (
  SELECT * FROM jsonb_to_recordset(%(rows)s::jsonb) AS r(
    assessment_id uuid, payment_id uuid, source_account_id uuid, destination_account_id uuid, amount_minor bigint,
    currency text, decision text, score smallint, reasons jsonb, ruleset_version integer, degraded boolean,
    features jsonb, created_at timestamptz, case_id uuid, case_origin text)
), stored AS (
  INSERT INTO fraud.assessments (assessment_id, payment_id, source_account_id, destination_account_id, amount_minor,
    currency, decision, score, reasons, ruleset_version, degraded, features, created_at)
  SELECT assessment_id, payment_id, source_account_id, destination_account_id, amount_minor,
    currency, decision, score, reasons, ruleset_version, degraded, features, created_at
  FROM given
  ON CONFLICT (payment_id) DO NOTHING
  RETURNING assessment_id, payment_id
), opened AS (
  INSERT INTO fraud.cases (case_id, assessment_id, payment_id, origin)
  SELECT given.case_id, stored.assessment_id, stored.payment_id, given.case_origin
  FROM stored JOIN given USING (assessment_id)
  WHERE given.case_id IS NOT NULL
)
SELECT payment_id FROM stored

-- name: open_cases_of_held
-- Open cases for payments that were judged before without one; answers those that had none until now.
INSERT INTO fraud.cases (case_id, assessment_id, payment_id, origin)
SELECT case_id, assessment_id, payment_id, 'fraud_unavailable'
FROM unnest(%(case_ids)b::uuid[], %(assessment_ids)b::uuid[], %(payment_ids)b::uuid[])
  AS given(case_id, assessment_id, payment_id)
ON CONFLICT DO NOTHING
RETURNING payment_id

-- name: active_ruleset
-- The rule set that judges now; no row while the tenant has only the one that ships with the product.
SELECT version, document::text, created_by, note, created_at FROM fraud.rulesets ORDER BY version DESC LIMIT 1

-- name: ruleset_by_version
-- One rule set of the history.
SELECT version, document::text, created_by, note, created_at FROM fraud.rulesets WHERE version = %(version)s

-- name: list_rulesets
-- The history, newest first.
SELECT version, created_by, note, created_at FROM fraud.rulesets
WHERE %(before)s::integer IS NULL OR version < %(before)s ORDER BY version DESC LIMIT %(limit)s

-- name: lock_rulesets
-- One change of the rules at a time; readers are not held up.
SELECT pg_advisory_xact_lock(hashtext('fraud.rulesets'))

-- name: insert_ruleset
-- Activate a new rule set.
INSERT INTO fraud.rulesets (version, document, created_by, note)
VALUES (%(version)s, %(document)s::jsonb, %(created_by)s, %(note)s) RETURNING created_at

-- name: list_cases
-- Cases oldest first, with what was found, after a cursor.
SELECT c.case_id, c.payment_id, c.assessment_id, c.status, c.opened_at, c.note, c.decided_by, c.decided_at,
       a.score, a.reasons::text, a.ruleset_version, a.amount_minor, a.currency, a.source_account_id,
       a.destination_account_id, a.features::text, c.origin
FROM fraud.cases c JOIN fraud.assessments a USING (assessment_id)
WHERE (%(status)s::text IS NULL OR c.status = %(status)s)
  AND (%(after)s::uuid IS NULL OR c.case_id > %(after)s)
ORDER BY c.case_id LIMIT %(limit)s

-- name: case_by_id
-- One case, with what was found.
SELECT c.case_id, c.payment_id, c.assessment_id, c.status, c.opened_at, c.note, c.decided_by, c.decided_at,
       a.score, a.reasons::text, a.ruleset_version, a.amount_minor, a.currency, a.source_account_id,
       a.destination_account_id, a.features::text, c.origin
FROM fraud.cases c JOIN fraud.assessments a USING (assessment_id)
WHERE c.case_id = %(case_id)s

-- name: decide_case
-- Decide an open case; no row when it is decided already or does not exist.
UPDATE fraud.cases
SET status = %(status)s, note = %(note)s, decided_by = %(decided_by)s, decided_at = clock_timestamp()
WHERE case_id = %(case_id)s AND status = 'open'
RETURNING payment_id, decided_at

-- name: assessment_by_payment
-- The stored judgement of one payment.
SELECT a.assessment_id, a.payment_id, a.source_account_id, a.destination_account_id, a.amount_minor, a.currency,
       a.decision, a.score, a.reasons::text, a.ruleset_version, a.degraded, a.features::text, a.created_at,
       a.assessed_at, c.case_id
FROM fraud.assessments a LEFT JOIN fraud.cases c USING (assessment_id)
WHERE a.payment_id = %(payment_id)s
