-- name: tenant_record
-- What a service needs to know of one tenant: its state, limits, policies and where its database is.
SELECT t.id, t.slug, t.status, t.default_currency, t.policies, t.rate_limit_per_second, t.credential_version,
       p.writer_host, p.writer_port, p.reader_host, p.reader_port, p.database_name
FROM control.tenants t LEFT JOIN control.placements p ON p.tenant_id = t.id
WHERE t.id = %(tenant_id)s

-- name: tenant_records
-- The next tenants in use, in the order of their ids.
SELECT t.id, t.slug, t.status, t.default_currency, t.policies, t.rate_limit_per_second, t.credential_version,
       p.writer_host, p.writer_port, p.reader_host, p.reader_port, p.database_name
FROM control.tenants t JOIN control.placements p ON p.tenant_id = t.id
WHERE t.id > %(after)s AND t.status IN ('active', 'suspended', 'closing') ORDER BY t.id LIMIT %(rows)s

-- name: api_key
-- One API key that is neither revoked nor expired.
SELECT k.tenant_id, k.secret_hash, k.scopes, k.expires_at, k.actor
FROM control.api_keys k
WHERE k.key_id = %(key_id)s AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now())

-- name: api_keys
-- The next API keys that are neither revoked nor expired, in the order of their ids.
SELECT k.tenant_id, k.secret_hash, k.scopes, k.expires_at, k.actor, k.key_id
FROM control.api_keys k
WHERE k.key_id > %(after)s AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now())
ORDER BY k.key_id LIMIT %(rows)s

-- name: tenants_with_databases
-- Every tenant that has a database in use, for sweeps.
SELECT t.id FROM control.tenants t JOIN control.placements p ON p.tenant_id = t.id
WHERE t.status IN ('active', 'suspended', 'closing')

-- name: renew_lease
-- Say that this instance is alive for some seconds more; the first call registers it.
INSERT INTO control.instances (instance_id, service, zone, version, lease_expires_at)
VALUES (%(instance_id)s, %(service)s, %(zone)s, %(version)s, clock_timestamp() + make_interval(secs => %(lease_seconds)s))
ON CONFLICT (instance_id) DO UPDATE SET lease_expires_at = EXCLUDED.lease_expires_at,
  service = EXCLUDED.service, zone = EXCLUDED.zone, version = EXCLUDED.version

-- name: register_instance
-- A new process under this instance id: what an earlier one had connected to no longer counts.
WITH gone AS (DELETE FROM control.tenant_instances WHERE instance_id = %(instance_id)s)
INSERT INTO control.instances (instance_id, service, zone, version, started_at, lease_expires_at)
VALUES (%(instance_id)s, %(service)s, %(zone)s, %(version)s, clock_timestamp(),
        clock_timestamp() + make_interval(secs => %(lease_seconds)s))
ON CONFLICT (instance_id) DO UPDATE SET lease_expires_at = EXCLUDED.lease_expires_at, started_at = EXCLUDED.started_at,
  service = EXCLUDED.service, zone = EXCLUDED.zone, version = EXCLUDED.version

-- name: end_lease
-- This instance is stopping: nobody has to wait for it any more.
DELETE FROM control.instances WHERE instance_id = %(instance_id)s

-- name: acknowledge_tenant
-- This instance has fetched the tenant's credential of this version and connected with it.
INSERT INTO control.tenant_instances (tenant_id, instance_id, credential_version)
VALUES (%(tenant_id)s, %(instance_id)s, %(credential_version)s)
ON CONFLICT (tenant_id, instance_id) DO UPDATE
  SET credential_version = GREATEST(tenant_instances.credential_version, EXCLUDED.credential_version),
      connected_at = clock_timestamp()

-- name: unacknowledged_tenants
-- Tenants in the middle of an operation that wait for this instance: it may have missed the event.
SELECT t.id FROM control.tenants t
JOIN control.placements p ON p.tenant_id = t.id
LEFT JOIN control.tenant_instances i ON i.tenant_id = t.id AND i.instance_id = %(instance_id)s
WHERE (t.status = 'onboarding' AND i.tenant_id IS NULL) OR (i.credential_version < t.credential_version)

-- name: schedule_work
-- Some work of this kind is due for the tenant at this time at the latest. A microsecond earlier than what stands
-- there: a handler at work then finds its claim changed and leaves the hint, since it may have looked before this.
INSERT INTO control.due_work (tenant_id, service, kind, due_at)
VALUES (%(tenant_id)s, %(service)s, %(kind)s, %(due_at)s)
ON CONFLICT (service, kind, tenant_id) DO UPDATE
  SET due_at = LEAST(due_work.due_at - interval '1 microsecond', EXCLUDED.due_at)

-- name: leave_hints
-- As `schedule_work`, for many tenants and kinds at once, in the order given.
INSERT INTO control.due_work (tenant_id, service, kind, due_at)
SELECT tenant_id, %(service)s, kind, due_at
FROM unnest(%(tenant_ids)b::uuid[], %(kinds)b::text[], %(due)b::timestamptz[]) AS t(tenant_id, kind, due_at)
ON CONFLICT (service, kind, tenant_id) DO UPDATE
  SET due_at = LEAST(due_work.due_at - interval '1 microsecond', EXCLUDED.due_at)

-- name: advance_hints
-- Look behind the hints of the last moments now.
UPDATE control.due_work SET due_at = clock_timestamp()
WHERE service = %(service)s
  AND due_at BETWEEN clock_timestamp() AND clock_timestamp() + make_interval(secs => %(within_seconds)s)

-- name: claim_due_work
-- Take what is due and push it back by the lease: should this process die, another finds it again.
UPDATE control.due_work d SET due_at = clock_timestamp() + make_interval(secs => %(lease_seconds)s)
FROM (SELECT tenant_id, kind FROM control.due_work
      WHERE service = %(service)s AND due_at <= clock_timestamp() ORDER BY due_at LIMIT 50
      FOR UPDATE SKIP LOCKED) due
WHERE d.service = %(service)s AND d.tenant_id = due.tenant_id AND d.kind = due.kind
RETURNING d.tenant_id, d.kind, d.due_at

-- name: finish_due_work
-- Nothing is left to do, unless somebody has scheduled more since the claim.
DELETE FROM control.due_work
WHERE service = %(service)s AND kind = %(kind)s AND tenant_id = %(tenant_id)s AND due_at = %(claimed_due_at)s

-- name: postpone_due_work
-- More is due at a known time, unless somebody has scheduled something since the claim.
UPDATE control.due_work SET due_at = %(due_at)s
WHERE service = %(service)s AND kind = %(kind)s AND tenant_id = %(tenant_id)s AND due_at = %(claimed_due_at)s

-- name: park_event
-- Set an event aside for a tenant whose database is down.
INSERT INTO control.parked_events (service, tenant_id, event_id, topic, envelope)
VALUES (%(service)s, %(tenant_id)s, %(event_id)s, %(topic)s, %(envelope)s)
ON CONFLICT (service, event_id) DO NOTHING

-- name: parked_tenants
-- Tenants of which events were set aside.
SELECT DISTINCT tenant_id FROM control.parked_events WHERE service = %(service)s

-- name: parked_events
-- The oldest events that were set aside for one tenant.
SELECT n, topic, envelope FROM control.parked_events
WHERE service = %(service)s AND tenant_id = %(tenant_id)s ORDER BY n LIMIT 500

-- name: unpark_events
-- These events have been handled.
DELETE FROM control.parked_events WHERE n = ANY(%(numbers)s)

-- name: broker_state
-- The broker's generation and the largest heartbeat offset ever seen in it.
SELECT generation, last_offset FROM control.broker_state

-- name: record_heartbeat
-- A heartbeat was written at this offset.
UPDATE control.broker_state SET last_offset = GREATEST(last_offset, %(offset)s) WHERE generation = %(generation)s

-- name: raise_generation
-- The broker was emptied; the first one to notice starts a new generation.
UPDATE control.broker_state SET generation = generation + 1, last_offset = %(offset)s WHERE generation = %(generation)s

-- name: insert_approval
-- Somebody asks for what another has to approve; nothing if the key was used before.
INSERT INTO control.approvals (id, tenant_id, service, action, subject, request, scope, idempotency_key, fingerprint,
                               requested_by, expires_at)
VALUES (%(id)s, %(tenant_id)s, %(service)s, %(action)s, %(subject)s, %(request)s, %(scope)s, %(key)s, %(fingerprint)s,
        %(requested_by)s, now() + make_interval(hours => %(hours)s))
ON CONFLICT (tenant_id, service, idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING

-- name: approval_by_id
-- One approval.
SELECT id, tenant_id, service, action, subject, request, scope, status, requested_by, requested_at, expires_at,
       decided_by, decided_at, note, finished_at, outcome
FROM control.approvals WHERE id = %(id)s

-- name: approval_by_key
-- The approval that was asked for with an idempotency key, and what it was asked with.
SELECT id, tenant_id, service, action, subject, request, scope, status, requested_by, requested_at, expires_at,
       decided_by, decided_at, note, finished_at, outcome, fingerprint
FROM control.approvals WHERE tenant_id = %(tenant_id)s AND service = %(service)s AND idempotency_key = %(key)s

-- name: approved_acts
-- What has been approved of a tenant's and not been done yet, oldest first.
SELECT id, tenant_id, service, action, subject, request, scope, status, requested_by, requested_at, expires_at,
       decided_by, decided_at, note, finished_at, outcome
FROM control.approvals
WHERE tenant_id = %(tenant_id)s AND service = %(service)s AND status = 'approved' ORDER BY id

-- name: finish_approval
-- It has been done, or cannot be.
UPDATE control.approvals SET status = %(status)s, finished_at = clock_timestamp(), outcome = %(outcome)s
WHERE id = %(id)s AND status = 'approved'
