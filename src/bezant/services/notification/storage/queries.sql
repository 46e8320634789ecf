-- name: count_endpoints
-- How many endpoints of a kind the tenant has; deleted ones do not count. Under a lock, so that the limit holds.
SELECT pg_advisory_xact_lock(hashtext('notification.endpoints')),
       (SELECT count(*) FROM notification.endpoints WHERE status <> 'deleted' AND kind = %(kind)s)

-- name: insert_endpoint
-- A new endpoint with its message counter.
WITH made AS (
  INSERT INTO notification.endpoints (endpoint_id, kind, url, description, event_filters, status, status_reason, secret,
    signatures, signing_key, public_key, client_certificate, confirmation_hash, confirmation_expires_at)
  VALUES (%(endpoint_id)s, %(kind)s, %(url)s, %(description)s, %(event_filters)s, %(status)s, %(status_reason)s,
    %(secret)s, %(signatures)s, %(signing_key)s, %(public_key)s, %(client_certificate)s, %(confirmation_hash)s,
    now() + make_interval(hours => %(confirmation_hours)s))
  RETURNING endpoint_id
)
INSERT INTO notification.endpoint_sequences (endpoint_id) SELECT endpoint_id FROM made

-- name: endpoint_by_id
-- One endpoint that is not deleted, locked against other changes.
SELECT e.endpoint_id, e.kind, e.url, e.description, e.event_filters, e.status, e.status_reason, e.created_at,
       e.updated_at, e.previous_secret_expires_at, s.last_sequence, e.signatures, e.public_key,
       CASE WHEN e.previous_secret_expires_at > now() THEN e.previous_public_key END, e.client_certificate,
       c.failing_since, CASE WHEN c.open_until > now() THEN c.open_until END
FROM notification.endpoints e
JOIN notification.endpoint_sequences s USING (endpoint_id)
LEFT JOIN notification.endpoint_circuits c USING (endpoint_id)
WHERE e.endpoint_id = %(endpoint_id)s AND e.status <> 'deleted' AND (%(kind)s::text IS NULL OR e.kind = %(kind)s)
FOR NO KEY UPDATE OF e

-- name: list_endpoints
-- Endpoints that are not deleted, oldest first.
SELECT e.endpoint_id, e.kind, e.url, e.description, e.event_filters, e.status, e.status_reason, e.created_at,
       e.updated_at, e.previous_secret_expires_at, s.last_sequence, e.signatures, e.public_key,
       CASE WHEN e.previous_secret_expires_at > now() THEN e.previous_public_key END, e.client_certificate,
       c.failing_since, CASE WHEN c.open_until > now() THEN c.open_until END
FROM notification.endpoints e
JOIN notification.endpoint_sequences s USING (endpoint_id)
LEFT JOIN notification.endpoint_circuits c USING (endpoint_id)
WHERE e.status <> 'deleted' AND e.kind = %(kind)s AND (%(after)s::uuid IS NULL OR e.endpoint_id > %(after)s)
ORDER BY e.endpoint_id LIMIT %(limit)s

-- name: update_endpoint
-- Change what may be changed.
UPDATE notification.endpoints
SET url = %(url)s, description = %(description)s, event_filters = %(event_filters)s, status = %(status)s,
    status_reason = %(status_reason)s, signatures = %(signatures)s, client_certificate = %(client_certificate)s,
    signing_key = coalesce(signing_key, %(signing_key)s), public_key = coalesce(public_key, %(public_key)s),
    updated_at = clock_timestamp()
WHERE endpoint_id = %(endpoint_id)s

-- name: disable_endpoint
-- Send no more to an endpoint whose receiver asked for that.
UPDATE notification.endpoints
SET status = 'disabled', status_reason = %(reason)s, updated_at = clock_timestamp()
WHERE endpoint_id = ANY (%(endpoint_ids)b::uuid[]) AND status = 'enabled'
RETURNING endpoint_id

-- name: delete_endpoint
-- Delete an endpoint; its history stays, what was not delivered is cancelled.
WITH gone AS (
  UPDATE notification.endpoints
  SET status = 'deleted', previous_secret = NULL, previous_secret_expires_at = NULL, previous_signing_key = NULL,
      previous_public_key = NULL, updated_at = clock_timestamp()
  WHERE endpoint_id = %(endpoint_id)s
)
UPDATE notification.deliveries SET status = 'cancelled'
WHERE endpoint_id = %(endpoint_id)s AND status = 'pending'

-- name: rotate_secret
-- A new secret and, where there was one, a new key pair; those before sign too until they expire.
UPDATE notification.endpoints
SET previous_secret = secret, secret = %(secret)s, updated_at = clock_timestamp(),
    previous_signing_key = signing_key, previous_public_key = public_key,
    signing_key = CASE WHEN signing_key IS NOT NULL THEN %(signing_key)s::bytea END,
    public_key = CASE WHEN public_key IS NOT NULL THEN %(public_key)s END,
    previous_secret_expires_at = clock_timestamp() + make_interval(secs => %(overlap_seconds)s)
WHERE endpoint_id = %(endpoint_id)s
RETURNING previous_secret_expires_at, public_key

-- name: enabled_endpoints
-- Who may want an event.
SELECT endpoint_id, event_filters FROM notification.endpoints WHERE status = 'enabled'

-- name: lock_sequences
-- The message counters of these endpoints, locked in one order so that enqueuers cannot block each other in a ring.
SELECT endpoint_id, last_sequence FROM notification.endpoint_sequences
WHERE endpoint_id = ANY (%(endpoint_ids)b::uuid[]) ORDER BY endpoint_id FOR UPDATE

-- name: advance_sequences
-- Write the counters down.
UPDATE notification.endpoint_sequences s SET last_sequence = given.last_sequence
FROM unnest(%(endpoint_ids)b::uuid[], %(last_sequences)b::bigint[]) AS given(endpoint_id, last_sequence)
WHERE s.endpoint_id = given.endpoint_id

-- name: insert_messages
-- Enqueue messages, each with its delivery due at once; all columns as arrays of one length.
WITH given AS (
  SELECT * FROM unnest(%(message_ids)b::uuid[], %(endpoint_ids)b::uuid[], %(sequences)b::bigint[],
    %(event_ids)b::uuid[], %(event_types)b::text[], %(subjects)b::text[], %(bodies)b::text[])
    AS g(message_id, endpoint_id, sequence, event_id, event_type, subject, body)
), messages AS (
  INSERT INTO notification.messages (message_id, endpoint_id, sequence, event_id, event_type, subject, body)
  SELECT * FROM given
)
INSERT INTO notification.deliveries (message_id, endpoint_id, sequence)
SELECT message_id, endpoint_id, sequence FROM given

-- name: claim_deliveries
-- Take deliveries that are due, as many per endpoint as it has room for, and lease them: who dies with a claim
-- leaves a delivery that comes due by itself when the lease ends. Nothing of an endpoint whose circuit is open, and
-- one at a time of one whose circuit has been open since it last answered.
WITH rooms AS (
  SELECT * FROM unnest(%(endpoint_ids)b::uuid[], %(rooms)b::integer[]) AS r(endpoint_id, room)
), due AS (
  SELECT d.message_id, coalesce(c.consecutive_failures, 0) AS failures
  FROM notification.endpoints e
  LEFT JOIN rooms USING (endpoint_id)
  LEFT JOIN notification.endpoint_circuits c USING (endpoint_id)
  CROSS JOIN LATERAL (
    SELECT message_id FROM notification.deliveries
    WHERE endpoint_id = e.endpoint_id AND status = 'pending' AND next_attempt_at <= now()
    ORDER BY next_attempt_at, sequence
    LIMIT least(coalesce(rooms.room, %(first_room)s), CASE WHEN c.times_opened > 0 THEN 1 END)
    FOR UPDATE SKIP LOCKED
  ) d
  WHERE e.status = 'enabled' AND (c.open_until IS NULL OR c.open_until <= now())
  LIMIT %(total_room)s
)
UPDATE notification.deliveries d
SET attempts = d.attempts + 1, last_attempt_at = now(),
    next_attempt_at = now() + make_interval(secs => %(lease_seconds)s)
FROM due
JOIN notification.messages m ON m.message_id = due.message_id
JOIN notification.endpoints e ON e.endpoint_id = m.endpoint_id
WHERE d.message_id = due.message_id
RETURNING d.message_id, d.endpoint_id, d.sequence, d.attempts, m.event_type, m.body, e.kind, e.url, e.signatures,
          e.secret, CASE WHEN e.previous_secret_expires_at > now() THEN e.previous_secret END,
          e.signing_key, CASE WHEN e.previous_secret_expires_at > now() THEN e.previous_signing_key END,
          e.client_certificate, due.failures

-- name: settle_deliveries
-- Write down how attempts went. A failure counts only while nobody else has claimed the delivery since.
UPDATE notification.deliveries d
SET status = s.status, last_status_code = s.status_code, last_error = s.error,
    next_attempt_at = CASE WHEN s.delay_seconds IS NULL THEN d.next_attempt_at
                           ELSE now() + make_interval(secs => s.delay_seconds) END,
    delivered_at = CASE WHEN s.status = 'delivered' THEN now() END
FROM unnest(%(message_ids)b::uuid[], %(attempts)b::integer[], %(statuses)b::text[], %(delays)b::float8[],
  %(status_codes)b::integer[], %(errors)b::text[])
  AS s(message_id, attempts, status, delay_seconds, status_code, error)
WHERE d.message_id = s.message_id AND d.status = 'pending' AND (s.status = 'delivered' OR d.attempts = s.attempts)

-- name: insert_attempts
-- Keep what was tried.
INSERT INTO notification.attempts (attempt_id, message_id, attempt_number, attempted_at, duration_ms, status_code, error,
  answer_body)
SELECT * FROM unnest(%(attempt_ids)b::uuid[], %(message_ids)b::uuid[], %(attempts)b::integer[],
  %(moments)b::timestamptz[], %(durations)b::integer[], %(status_codes)b::integer[], %(errors)b::text[],
  %(answers)b::text[])

-- name: close_circuits
-- These endpoints have answered: whatever was counted against them is over.
UPDATE notification.endpoint_circuits
SET consecutive_failures = 0, failing_since = NULL, times_opened = 0, open_until = NULL
WHERE endpoint_id = ANY (%(endpoint_ids)b::uuid[])

-- name: count_failures
-- Count failures, and open the circuit of who has failed too often: each time for twice as long, up to a limit.
-- Returns who has failed without a break for too long.
INSERT INTO notification.endpoint_circuits AS c (endpoint_id, consecutive_failures, failing_since, times_opened, open_until)
SELECT f.endpoint_id, f.failures, now(), (f.failures >= %(threshold)s)::integer,
       CASE WHEN f.failures >= %(threshold)s THEN now() + make_interval(secs => %(first_open_seconds)s::float8) END
FROM unnest(%(endpoint_ids)b::uuid[], %(failures)b::integer[]) AS f(endpoint_id, failures)
ORDER BY f.endpoint_id
ON CONFLICT (endpoint_id) DO UPDATE
SET consecutive_failures = c.consecutive_failures + excluded.consecutive_failures,
    failing_since = coalesce(c.failing_since, excluded.failing_since),
    times_opened = c.times_opened + (c.consecutive_failures + excluded.consecutive_failures >= %(threshold)s
                                     AND coalesce(c.open_until <= now(), true))::integer,
    open_until = CASE
      WHEN c.consecutive_failures + excluded.consecutive_failures >= %(threshold)s
           AND coalesce(c.open_until <= now(), true)
      THEN now() + make_interval(secs => least(%(longest_open_seconds)s::float8,
                                               %(first_open_seconds)s::float8 * power(2, least(c.times_opened, 16))))
      ELSE c.open_until END
RETURNING c.endpoint_id, c.failing_since < now() - make_interval(hours => %(give_up_hours)s)

-- name: rest_endpoints
-- Leave these endpoints alone for as long as their receivers asked.
INSERT INTO notification.endpoint_circuits AS c (endpoint_id, consecutive_failures, open_until)
SELECT r.endpoint_id, 0, now() + make_interval(secs => r.rest_seconds)
FROM unnest(%(endpoint_ids)b::uuid[], %(rests)b::float8[]) AS r(endpoint_id, rest_seconds)
ORDER BY r.endpoint_id
ON CONFLICT (endpoint_id) DO UPDATE SET open_until = greatest(c.open_until, excluded.open_until)

-- name: forget_circuit
-- Whoever enables an endpoint, or asks for a test or a replay, wants to see it tried now.
UPDATE notification.endpoint_circuits
SET consecutive_failures = 0, failing_since = NULL, times_opened = 0, open_until = NULL
WHERE endpoint_id = %(endpoint_id)s

-- name: next_due
-- When the next delivery of any enabled endpoint comes due, and when the newest message was enqueued.
SELECT (SELECT min(greatest(d.next_attempt_at, c.open_until))
        FROM notification.endpoints e
        LEFT JOIN notification.endpoint_circuits c USING (endpoint_id)
        CROSS JOIN LATERAL (
          SELECT next_attempt_at FROM notification.deliveries
          WHERE endpoint_id = e.endpoint_id AND status = 'pending' ORDER BY next_attempt_at, sequence LIMIT 1
        ) d
        WHERE e.status = 'enabled'),
       (SELECT created_at FROM notification.messages ORDER BY message_id DESC LIMIT 1)

-- name: list_deliveries
-- Deliveries of an endpoint, newest first.
SELECT d.message_id, d.sequence, m.event_id, m.event_type, m.subject, d.status, d.attempts,
       CASE WHEN d.status = 'pending' THEN d.next_attempt_at END, d.last_attempt_at, d.last_status_code, d.last_error,
       d.delivered_at, m.created_at
FROM notification.deliveries d JOIN notification.messages m USING (message_id)
WHERE d.endpoint_id = %(endpoint_id)s
  AND (%(before)s::bigint IS NULL OR d.sequence < %(before)s)
  AND (%(status)s::text IS NULL OR d.status = %(status)s)
ORDER BY d.sequence DESC LIMIT %(limit)s

-- name: delivery_by_id
-- One delivery of an endpoint, with its body.
SELECT d.message_id, d.sequence, m.event_id, m.event_type, m.subject, d.status, d.attempts,
       CASE WHEN d.status = 'pending' THEN d.next_attempt_at END, d.last_attempt_at, d.last_status_code, d.last_error,
       d.delivered_at, m.created_at, m.body
FROM notification.deliveries d JOIN notification.messages m USING (message_id)
WHERE d.endpoint_id = %(endpoint_id)s AND d.message_id = %(message_id)s

-- name: attempts_of_message
-- What was tried, oldest first.
SELECT attempt_number, attempted_at, duration_ms, status_code, error, answer_body FROM notification.attempts
WHERE message_id = %(message_id)s ORDER BY attempt_id

-- name: replay
-- Send messages again from the first attempt on, with the same ids and sequence numbers; the first so many of them.
UPDATE notification.deliveries d
SET status = 'pending', attempts = 0, next_attempt_at = now(), delivered_at = NULL
FROM (
  SELECT message_id FROM notification.deliveries
  WHERE endpoint_id = %(endpoint_id)s
    AND (%(message_ids)b::uuid[] IS NULL OR message_id = ANY (%(message_ids)b::uuid[]))
    AND message_id >= %(first_id)s AND message_id < %(end_id)s
    AND sequence BETWEEN %(from_sequence)s AND %(to_sequence)s
    AND (%(status)s::text IS NULL OR status = %(status)s)
  ORDER BY sequence LIMIT %(limit)s
  FOR UPDATE
) chosen
WHERE d.message_id = chosen.message_id
RETURNING d.message_id, d.sequence

-- name: old_deliveries
-- Deliveries whose history has been kept for long enough, oldest first. Ids are in the order of their making.
SELECT d.message_id FROM notification.deliveries d JOIN notification.endpoints e USING (endpoint_id)
WHERE d.message_id < %(end_id)s AND (d.status <> 'pending' OR e.status <> 'enabled')
ORDER BY d.message_id LIMIT %(limit)s
FOR UPDATE OF d SKIP LOCKED

-- name: delete_attempts
-- What was tried for these messages.
DELETE FROM notification.attempts WHERE message_id = ANY (%(message_ids)b::uuid[])

-- name: delete_deliveries
-- How these messages did.
DELETE FROM notification.deliveries WHERE message_id = ANY (%(message_ids)b::uuid[])

-- name: delete_messages
-- The messages themselves.
DELETE FROM notification.messages WHERE message_id = ANY (%(message_ids)b::uuid[])

-- name: confirm_address
-- The owner of an address has shown the code: from here on it gets e-mail.
UPDATE notification.endpoints
SET status = 'enabled', status_reason = NULL, confirmation_hash = NULL, confirmation_expires_at = NULL,
    updated_at = clock_timestamp()
WHERE endpoint_id = %(endpoint_id)s AND confirmation_hash = %(confirmation_hash)s AND confirmation_expires_at > now()
RETURNING endpoint_id

-- name: renew_confirmation
-- Another code for an address that has not been confirmed.
UPDATE notification.endpoints
SET confirmation_hash = %(confirmation_hash)s,
    confirmation_expires_at = now() + make_interval(hours => %(confirmation_hours)s)
WHERE endpoint_id = %(endpoint_id)s AND confirmation_hash IS NOT NULL
RETURNING endpoint_id

-- name: unconfirmed
-- Whether an address still has to be confirmed.
SELECT confirmation_hash IS NOT NULL FROM notification.endpoints WHERE endpoint_id = %(endpoint_id)s

-- name: list_templates
-- The tenant's own e-mail templates.
SELECT event_type, subject, body, updated_at, updated_by FROM notification.email_templates ORDER BY event_type

-- name: templates_of
-- The tenant's own templates of these event types.
SELECT event_type, subject, body FROM notification.email_templates WHERE event_type = ANY (%(event_types)b::text[])

-- name: put_template
-- Write a template, or write it anew.
INSERT INTO notification.email_templates (event_type, subject, body, updated_by)
VALUES (%(event_type)s, %(subject)s, %(body)s, %(updated_by)s)
ON CONFLICT (event_type) DO UPDATE
SET subject = excluded.subject, body = excluded.body, updated_by = excluded.updated_by, updated_at = clock_timestamp()
RETURNING event_type, subject, body, updated_at, updated_by

-- name: delete_template
-- Back to Bezant's own words.
DELETE FROM notification.email_templates WHERE event_type = %(event_type)s RETURNING event_type
