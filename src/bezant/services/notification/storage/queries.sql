-- name: count_endpoints
-- How many endpoints the tenant has; deleted ones do not count. Taken under a lock, so that the limit holds.
SELECT pg_advisory_xact_lock(hashtext('notification.endpoints')),
       (SELECT count(*) FROM notification.endpoints WHERE status <> 'deleted')

-- name: insert_endpoint
-- A new endpoint with its message counter.
WITH made AS (
  INSERT INTO notification.endpoints (endpoint_id, url, description, event_filters, secret)
  VALUES (%(endpoint_id)s, %(url)s, %(description)s, %(event_filters)s, %(secret)s)
  RETURNING endpoint_id
)
INSERT INTO notification.endpoint_sequences (endpoint_id) SELECT endpoint_id FROM made

-- name: endpoint_by_id
-- One endpoint that is not deleted, locked against other changes.
SELECT e.endpoint_id, e.url, e.description, e.event_filters, e.status, e.status_reason, e.created_at, e.updated_at,
       e.previous_secret_expires_at, s.last_sequence, e.secret
FROM notification.endpoints e JOIN notification.endpoint_sequences s USING (endpoint_id)
WHERE e.endpoint_id = %(endpoint_id)s AND e.status <> 'deleted'
FOR NO KEY UPDATE OF e

-- name: list_endpoints
-- Endpoints that are not deleted, oldest first.
SELECT e.endpoint_id, e.url, e.description, e.event_filters, e.status, e.status_reason, e.created_at, e.updated_at,
       e.previous_secret_expires_at, s.last_sequence, e.secret
FROM notification.endpoints e JOIN notification.endpoint_sequences s USING (endpoint_id)
WHERE e.status <> 'deleted' AND (%(after)s::uuid IS NULL OR e.endpoint_id > %(after)s)
ORDER BY e.endpoint_id LIMIT %(limit)s

-- name: update_endpoint
-- Change what may be changed.
UPDATE notification.endpoints
SET url = %(url)s, description = %(description)s, event_filters = %(event_filters)s, status = %(status)s,
    status_reason = %(status_reason)s, updated_at = clock_timestamp()
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
  SET status = 'deleted', previous_secret = NULL, previous_secret_expires_at = NULL, updated_at = clock_timestamp()
  WHERE endpoint_id = %(endpoint_id)s
)
UPDATE notification.deliveries SET status = 'cancelled'
WHERE endpoint_id = %(endpoint_id)s AND status = 'pending'

-- name: rotate_secret
-- A new secret; the one before it signs too until it expires.
UPDATE notification.endpoints
SET previous_secret = secret, secret = %(secret)s, updated_at = clock_timestamp(),
    previous_secret_expires_at = clock_timestamp() + make_interval(secs => %(overlap_seconds)s)
WHERE endpoint_id = %(endpoint_id)s
RETURNING previous_secret_expires_at

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
-- leaves a delivery that comes due by itself when the lease ends.
WITH rooms AS (
  SELECT * FROM unnest(%(endpoint_ids)b::uuid[], %(rooms)b::integer[]) AS r(endpoint_id, room)
), due AS (
  SELECT d.message_id
  FROM notification.endpoints e
  LEFT JOIN rooms USING (endpoint_id)
  CROSS JOIN LATERAL (
    SELECT message_id FROM notification.deliveries
    WHERE endpoint_id = e.endpoint_id AND status = 'pending' AND next_attempt_at <= now()
    ORDER BY next_attempt_at, sequence
    LIMIT coalesce(rooms.room, %(first_room)s)
    FOR UPDATE SKIP LOCKED
  ) d
  WHERE e.status = 'enabled'
  LIMIT %(total_room)s
)
UPDATE notification.deliveries d
SET attempts = d.attempts + 1, last_attempt_at = now(),
    next_attempt_at = now() + make_interval(secs => %(lease_seconds)s)
FROM due
JOIN notification.messages m ON m.message_id = due.message_id
JOIN notification.endpoints e ON e.endpoint_id = m.endpoint_id
WHERE d.message_id = due.message_id
RETURNING d.message_id, d.endpoint_id, d.sequence, d.attempts, m.body, e.url, e.secret,
          CASE WHEN e.previous_secret_expires_at > now() THEN e.previous_secret END

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
INSERT INTO notification.attempts (attempt_id, message_id, attempt_number, attempted_at, duration_ms, status_code, error)
SELECT * FROM unnest(%(attempt_ids)b::uuid[], %(message_ids)b::uuid[], %(attempts)b::integer[],
  %(moments)b::timestamptz[], %(durations)b::integer[], %(status_codes)b::integer[], %(errors)b::text[])

-- name: next_due
-- When the next delivery of any enabled endpoint comes due, and when the newest message was enqueued.
SELECT (SELECT min(d.next_attempt_at)
        FROM notification.endpoints e
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
SELECT attempt_number, attempted_at, duration_ms, status_code, error FROM notification.attempts
WHERE message_id = %(message_id)s ORDER BY attempt_id

-- name: replay
-- Send messages again from the first attempt on, with the same ids and sequence numbers.
UPDATE notification.deliveries
SET status = 'pending', attempts = 0, next_attempt_at = now(), delivered_at = NULL
WHERE endpoint_id = %(endpoint_id)s
  AND (%(message_ids)b::uuid[] IS NULL OR message_id = ANY (%(message_ids)b::uuid[]))
  AND sequence BETWEEN %(from_sequence)s AND %(to_sequence)s
  AND (%(status)s::text IS NULL OR status = %(status)s)
RETURNING message_id
