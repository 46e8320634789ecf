-- name: active_versions_and_known_assessments
-- The versions that judge now and in shadow, with each of the given payments that was judged before (one row at least).
SELECT (SELECT coalesce(max(version), 1) FROM fraud.rulesets WHERE mode = 'active'),
       (SELECT r.version FROM (SELECT max(version) AS version FROM fraud.rulesets WHERE mode = 'shadow') r
        WHERE NOT EXISTS (SELECT FROM fraud.shadow_ends e WHERE e.version = r.version)),
       known.payment_id, known.assessment_id, known.decision, known.score, known.reasons, known.ruleset_version,
       known.degraded, known.case_id
FROM (SELECT 1) AS one
LEFT JOIN (
  SELECT a.payment_id, a.assessment_id, a.decision, a.score, a.reasons, a.ruleset_version, a.degraded,
         (SELECT c.case_id FROM fraud.cases c WHERE c.assessment_id = a.assessment_id) AS case_id
  FROM unnest(%(payment_ids)b::uuid[]) AS given(payment_id),
       -- LIMIT keeps the look-up one by one, by index, whatever was in the table when the plan was made.
       LATERAL (SELECT payment_id, assessment_id, decision, score, reasons::text, ruleset_version, degraded
                FROM fraud.assessments WHERE payment_id = given.payment_id LIMIT 1) AS a
) AS known ON true

-- name: insert_assessments
-- Store a group of assessments, open the cases among them and announce both, if the rule sets that judged them are
-- still those that judge. Answers the versions that do, with each payment that was not judged before.
WITH versions AS MATERIALIZED (
  SELECT (SELECT coalesce(max(version), 1) FROM fraud.rulesets WHERE mode = 'active') AS active,
         (SELECT r.version FROM (SELECT max(version) AS version FROM fraud.rulesets WHERE mode = 'shadow') r
          WHERE NOT EXISTS (SELECT FROM fraud.shadow_ends e WHERE e.version = r.version)) AS shadow
), given AS (
  SELECT r.* FROM versions v, jsonb_to_recordset(%(rows)s::jsonb) AS r(
    assessment_id uuid, payment_id uuid, source_account_id uuid, destination_account_id uuid, amount_minor bigint,
    currency text, decision text, score smallint, reasons jsonb, ruleset_version integer, degraded boolean,
    feature_values text, created_at timestamptz, case_id uuid, case_origin text, feature_set smallint, device_digest bytea,
    ip_digest bytea, country text, shadow jsonb)
  WHERE v.active = %(version)s AND v.shadow IS NOT DISTINCT FROM %(shadow_version)s
), stored AS (
  INSERT INTO fraud.assessments (assessment_id, payment_id, source_account_id, destination_account_id, amount_minor,
    currency, decision, score, reasons, ruleset_version, degraded, feature_values, created_at, feature_set, device_digest,
    ip_digest, country, shadow)
  SELECT assessment_id, payment_id, source_account_id, destination_account_id, amount_minor,
    currency, decision, score, reasons, ruleset_version, degraded, feature_values, created_at, feature_set, device_digest,
    ip_digest, country, shadow
  FROM given
  ON CONFLICT (payment_id) DO NOTHING
  RETURNING assessment_id, payment_id AS id
), opened AS (
  INSERT INTO fraud.cases (case_id, assessment_id, payment_id, origin)
  SELECT given.case_id, stored.assessment_id, stored.id, given.case_origin
  FROM stored JOIN given USING (assessment_id)
  WHERE given.case_id IS NOT NULL
)
/* outbox of stored */
SELECT v.active, v.shadow, s.id, (SELECT numbers FROM announced) FROM versions v LEFT JOIN stored s ON true

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
SELECT version, document::text, created_by, note, created_at, mode FROM fraud.rulesets
WHERE mode = 'active' ORDER BY version DESC LIMIT 1

-- name: shadow_ruleset
-- The rule set that judges in shadow now, if there is one.
SELECT version, document::text, created_by, note, created_at, mode FROM fraud.rulesets r
WHERE mode = 'shadow' AND version = (SELECT max(version) FROM fraud.rulesets WHERE mode = 'shadow')
  AND NOT EXISTS (SELECT FROM fraud.shadow_ends e WHERE e.version = r.version)

-- name: newest_version
-- The highest version there is, active or in shadow.
SELECT coalesce(max(version), 1) FROM fraud.rulesets

-- name: end_shadow
-- Let a rule set judge in shadow no longer.
INSERT INTO fraud.shadow_ends (version, ended_by) VALUES (%(version)s, %(ended_by)s) ON CONFLICT DO NOTHING

-- name: ruleset_by_version
-- One rule set of the history.
SELECT version, document::text, created_by, note, created_at, mode FROM fraud.rulesets WHERE version = %(version)s

-- name: list_rulesets
-- The history, newest first.
SELECT version, created_by, note, created_at, mode FROM fraud.rulesets
WHERE %(before)s::integer IS NULL OR version < %(before)s ORDER BY version DESC LIMIT %(limit)s

-- name: lock_rulesets
-- One change of the rules at a time; readers are not held up.
SELECT pg_advisory_xact_lock(hashtext('fraud.rulesets'))

-- name: insert_ruleset
-- Let a new rule set judge, or judge in shadow.
INSERT INTO fraud.rulesets (version, document, created_by, note, mode)
VALUES (%(version)s, %(document)s::jsonb, %(created_by)s, %(note)s, %(mode)s) RETURNING created_at

-- name: list_cases
-- Cases oldest first, with what was found, after a cursor.
SELECT c.case_id, c.payment_id, c.assessment_id, c.status, c.opened_at, c.note, c.decided_by, c.decided_at,
       a.score, a.reasons::text, a.ruleset_version, a.amount_minor, a.currency, a.source_account_id,
       a.destination_account_id, coalesce(a.feature_values, a.features::text), c.origin, a.feature_set, c.assignee, c.assigned_at,
       c.proposed_status, c.proposed_by, c.proposed_note, c.proposed_at
FROM fraud.cases c JOIN fraud.assessments a USING (assessment_id)
WHERE (%(status)s::text IS NULL OR c.status = %(status)s)
  AND (%(assignee)s::text IS NULL OR c.assignee = %(assignee)s)
  AND (NOT %(unassigned)s OR c.assignee IS NULL)
  AND (%(payment_id)s::uuid IS NULL OR c.payment_id = %(payment_id)s)
  AND (%(after)s::uuid IS NULL OR c.case_id > %(after)s)
ORDER BY c.case_id LIMIT %(limit)s

-- name: case_by_id
-- One case, with what was found.
SELECT c.case_id, c.payment_id, c.assessment_id, c.status, c.opened_at, c.note, c.decided_by, c.decided_at,
       a.score, a.reasons::text, a.ruleset_version, a.amount_minor, a.currency, a.source_account_id,
       a.destination_account_id, coalesce(a.feature_values, a.features::text), c.origin, a.feature_set, c.assignee, c.assigned_at,
       c.proposed_status, c.proposed_by, c.proposed_note, c.proposed_at
FROM fraud.cases c JOIN fraud.assessments a USING (assessment_id)
WHERE c.case_id = %(case_id)s

-- name: lock_case
-- Hold one case, so that what is decided about it is decided about what was read.
SELECT status, assignee, proposed_status, proposed_by, opened_at FROM fraud.cases WHERE case_id = %(case_id)s FOR UPDATE

-- name: claim_case
-- Give the open case with the highest score that nobody has, the oldest among equals, to somebody.
UPDATE fraud.cases SET assignee = %(assignee)s, assigned_at = clock_timestamp()
WHERE case_id = (
  SELECT c.case_id FROM fraud.cases c JOIN fraud.assessments a USING (assessment_id)
  WHERE c.status = 'open' AND c.assignee IS NULL AND c.proposed_by IS DISTINCT FROM %(assignee)s
  ORDER BY a.score DESC, c.case_id LIMIT 1 FOR UPDATE OF c SKIP LOCKED)
RETURNING case_id

-- name: assign_case
-- Give a case to somebody, or to nobody.
UPDATE fraud.cases
SET assignee = %(assignee)s::text,
    assigned_at = CASE WHEN %(assignee)s::text IS NULL THEN NULL ELSE clock_timestamp() END
WHERE case_id = %(case_id)s

-- name: propose_decision
-- Write down what a first person decided; the case goes back into the queue for a second one.
UPDATE fraud.cases
SET proposed_status = %(status)s, proposed_by = %(actor)s, proposed_note = %(note)s, proposed_at = clock_timestamp(),
    assignee = NULL, assigned_at = NULL
WHERE case_id = %(case_id)s

-- name: decide_case
-- Decide an open case; no row when it is decided already or does not exist.
UPDATE fraud.cases
SET status = %(status)s, note = %(note)s, decided_by = %(decided_by)s, decided_at = clock_timestamp()
WHERE case_id = %(case_id)s AND status = 'open'
RETURNING payment_id, decided_at

-- name: insert_case_note
-- Write something about a case.
INSERT INTO fraud.case_notes (note_id, case_id, author, note) VALUES (%(note_id)s, %(case_id)s, %(author)s, %(note)s)
RETURNING note_id, author, note, written_at

-- name: list_case_notes
-- What was written about a case, oldest first.
SELECT note_id, author, note, written_at FROM fraud.case_notes
WHERE case_id = %(case_id)s AND (%(after)s::uuid IS NULL OR note_id > %(after)s) ORDER BY note_id LIMIT %(limit)s

-- name: insert_label
-- Say what a payment turned out to be; no row when it was never judged.
INSERT INTO fraud.labels (label_id, payment_id, label, source, note, labelled_by)
SELECT %(label_id)s, payment_id, %(label)s, %(source)s, %(note)s, %(labelled_by)s
FROM fraud.assessments WHERE payment_id = %(payment_id)s
RETURNING label, source, note, labelled_by, labelled_at

-- name: label_of_payment
-- What a payment turned out to be, by the last who said so.
SELECT label, source, note, labelled_by, labelled_at FROM fraud.labels
WHERE payment_id = %(payment_id)s ORDER BY label_id DESC LIMIT 1

-- name: settings
-- What the tenant asks of reviews.
SELECT second_person, changed_by, changed_at FROM fraud.settings

-- name: set_settings
-- Change what the tenant asks of reviews.
UPDATE fraud.settings
SET second_person = %(second_person)s, changed_by = %(changed_by)s, changed_at = clock_timestamp()
RETURNING second_person, changed_by, changed_at

-- name: assessment_by_payment
-- The stored judgement of one payment.
SELECT a.assessment_id, a.payment_id, a.source_account_id, a.destination_account_id, a.amount_minor, a.currency,
       a.decision, a.score, a.reasons::text, a.ruleset_version, a.degraded, coalesce(a.feature_values, a.features::text), a.created_at,
       a.assessed_at, c.case_id, a.feature_set, a.shadow::text
FROM fraud.assessments a LEFT JOIN fraud.cases c USING (assessment_id)
WHERE a.payment_id = %(payment_id)s

-- name: recent_history
-- What velocity is counted from, a page in the order of the assessments.
SELECT assessment_id, payment_id, source_account_id, destination_account_id, amount_minor, currency, created_at,
       device_digest, ip_digest
FROM fraud.assessments
WHERE assessment_id > %(after)s ORDER BY assessment_id LIMIT %(limit)s

-- name: first_assessment
-- The oldest assessment from a point on.
SELECT assessment_id FROM fraud.assessments WHERE assessment_id >= %(since)s ORDER BY assessment_id LIMIT 1

-- name: older_history
-- What a stretch of history comes to for each pair of accounts, device and address.
SELECT source_account_id, destination_account_id, currency, device_digest, ip_digest, count(*), sum(amount_minor),
       min(created_at), max(created_at)
FROM fraud.assessments
WHERE assessment_id >= %(since)s AND assessment_id < %(before)s
GROUP BY 1, 2, 3, 4, 5

-- name: history_to_judge
-- Judged payments, newest first, with what they turned out to be and what a person decided.
SELECT a.assessment_id, a.payment_id, a.source_account_id, a.destination_account_id, a.amount_minor, a.currency,
       a.created_at, a.decision, coalesce(a.feature_values, a.features::text), a.feature_set, a.device_digest, a.ip_digest, a.country,
       (a.shadow ->> 'model_score')::double precision, NOT (a.degraded AND a.reasons ? %(without_velocity)s),
       (SELECT l.label FROM fraud.labels l WHERE l.payment_id = a.payment_id ORDER BY l.label_id DESC LIMIT 1),
       (SELECT c.status FROM fraud.cases c WHERE c.assessment_id = a.assessment_id)
FROM fraud.assessments a
WHERE a.assessment_id >= %(since)s AND a.assessment_id < %(before)s
ORDER BY a.assessment_id DESC LIMIT %(limit)s

-- name: shadow_agreement
-- How a shadow rule set and the active ones decided the same payments.
SELECT a.decision, a.shadow ->> 'decision', a.currency, count(*), sum(a.amount_minor)
FROM fraud.assessments a
WHERE a.shadow IS NOT NULL AND (a.shadow ->> 'ruleset_version')::integer = %(version)s
GROUP BY 1, 2, 3 ORDER BY 1, 2, 3

-- name: shadow_reasons
-- How often each rule of a shadow rule set matched.
SELECT reason, count(*)
FROM fraud.assessments a, jsonb_array_elements_text(a.shadow -> 'reasons') AS reason
WHERE a.shadow IS NOT NULL AND (a.shadow ->> 'ruleset_version')::integer = %(version)s
GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 200
