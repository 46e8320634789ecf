-- name: insert_tenant
-- A tenant in onboarding; the slug is unique among tenants that are not gone.
INSERT INTO control.tenants (id, slug, name, tier, status, default_currency, policies, rate_limit_per_second)
VALUES (%(id)s, %(slug)s, %(name)s, %(tier)s, 'onboarding', %(default_currency)s, %(policies)s,
        %(rate_limit_per_second)s)

-- name: insert_api_key
-- An API key; only the hash of its secret.
INSERT INTO control.api_keys (key_id, tenant_id, secret_hash, name, scopes, created_by, expires_at)
VALUES (%(key_id)s, %(tenant_id)s, %(secret_hash)s, %(name)s, %(scopes)s, %(created_by)s, %(expires_at)s)

-- name: insert_session
-- A session: a key that acts for a person and ends by itself.
INSERT INTO control.api_keys (key_id, tenant_id, secret_hash, name, scopes, created_by, expires_at, kind, actor,
                              operator_id)
VALUES (%(key_id)s, %(tenant_id)s, %(secret_hash)s, %(name)s, %(scopes)s, %(actor)s,
        now() + make_interval(secs => %(seconds)s), 'session', %(actor)s, %(operator_id)s)
RETURNING expires_at

-- name: lock_api_key
-- One key that still works, locked.
SELECT key_id, tenant_id, name, scopes, expires_at FROM control.api_keys
WHERE key_id = %(key_id)s AND kind = 'key' AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())
FOR UPDATE

-- name: end_key_after
-- The key has been replaced: it ends when the overlap is over, or when it would have ended anyway.
UPDATE control.api_keys
SET replaced_by = %(replaced_by)s,
    expires_at = least(expires_at, now() + make_interval(secs => %(overlap_seconds)s))
WHERE key_id = %(key_id)s RETURNING expires_at

-- name: revoke_sessions
-- End every session of a person.
UPDATE control.api_keys SET revoked_at = now()
WHERE operator_id = %(operator_id)s AND revoked_at IS NULL AND expires_at > now()

-- name: end_session
-- End one session.
UPDATE control.api_keys SET revoked_at = now()
WHERE key_id = %(key_id)s AND kind = 'session' AND revoked_at IS NULL

-- name: insert_act
-- What an administrator did.
INSERT INTO control.administrative_acts (id, actor, act, tenant_id, subject, details)
VALUES (%(id)s, %(actor)s, %(act)s, %(tenant_id)s, %(subject)s, %(details)s)

-- name: list_acts
-- Administrative acts, latest first, before a cursor.
SELECT id, happened_at, actor, act, tenant_id, subject, details FROM control.administrative_acts
WHERE (%(before)s::uuid IS NULL OR id < %(before)s) AND (%(tenant_id)s::uuid IS NULL OR tenant_id = %(tenant_id)s)
ORDER BY id DESC LIMIT %(limit)s

-- name: insert_operator
-- A person who may sign in.
INSERT INTO control.operators (id, tenant_id, email, role, created_by)
VALUES (%(id)s, %(tenant_id)s, %(email)s, %(role)s, %(created_by)s)

-- name: list_operators
-- The people of a tenant, or the platform's own for tenant NULL, oldest first.
SELECT id, tenant_id, email, role, subject IS NOT NULL, created_at, created_by, last_sign_in_at
FROM control.operators WHERE tenant_id IS NOT DISTINCT FROM %(tenant_id)s AND removed_at IS NULL ORDER BY id

-- name: operator_by_id
-- One person.
SELECT id, tenant_id, email, role, subject IS NOT NULL, created_at, created_by, last_sign_in_at
FROM control.operators WHERE id = %(id)s AND removed_at IS NULL

-- name: lock_operator
-- One person, locked.
SELECT id, tenant_id, email, role FROM control.operators WHERE id = %(id)s AND removed_at IS NULL FOR UPDATE

-- name: remove_operator
-- This person may not sign in any more.
UPDATE control.operators SET removed_at = now() WHERE id = %(id)s

-- name: operators_signing_in
-- As whom a person of the identity provider may sign in here: bound to that person already, or not bound yet and of
-- the verified address. Locked, so that two first sign-ins do not bind it twice.
SELECT id, tenant_id, email, role, subject FROM control.operators
WHERE removed_at IS NULL AND (tenant_id IS NULL OR tenant_id = %(tenant_id)s)
  AND ((issuer = %(issuer)s AND subject = %(subject)s) OR (subject IS NULL AND email = %(verified_email)s))
ORDER BY tenant_id NULLS LAST, id
FOR UPDATE

-- name: bind_operator
-- The identity provider's name for the person, from the first sign-in on.
UPDATE control.operators SET issuer = %(issuer)s, subject = %(subject)s, last_sign_in_at = now() WHERE id = %(id)s

-- name: tenant_by_slug
-- A tenant that people may sign in to.
SELECT id FROM control.tenants WHERE slug = %(slug)s AND status IN ('active', 'suspended', 'closing')

-- name: forget_sign_ins
-- Sign-ins that were never completed.
DELETE FROM control.sign_ins WHERE expires_at < now()

-- name: insert_sign_in
-- A sign-in has begun, unless too many have.
INSERT INTO control.sign_ins (id, secret_hash, state_hash, nonce, code_verifier, redirect_uri, tenant_slug, expires_at)
SELECT %(id)s, %(secret_hash)s, %(state_hash)s, %(nonce)s, %(code_verifier)s, %(redirect_uri)s, %(tenant_slug)s,
       now() + make_interval(secs => %(seconds)s)
WHERE (SELECT count(*) FROM control.sign_ins) < %(most)s
RETURNING expires_at

-- name: take_sign_in
-- Take a sign-in to complete it; it can be taken once.
DELETE FROM control.sign_ins
WHERE id = %(id)s AND secret_hash = %(secret_hash)s AND state_hash = %(state_hash)s AND expires_at > now()
RETURNING nonce, code_verifier, redirect_uri, tenant_slug

-- name: list_api_keys
-- A tenant's keys, revoked ones too, or the platform's own for tenant NULL; no sessions.
SELECT key_id, tenant_id, name, scopes, created_at, created_by, expires_at, revoked_at, replaced_by
FROM control.api_keys WHERE tenant_id IS NOT DISTINCT FROM %(tenant_id)s AND kind = 'key' ORDER BY created_at, key_id

-- name: revoke_api_key
-- Revoke one key; a revoked key stays revoked.
UPDATE control.api_keys SET revoked_at = COALESCE(revoked_at, now())
WHERE key_id = %(key_id)s AND kind = 'key' AND (%(any_tenant)s OR tenant_id = %(tenant_id)s)
RETURNING key_id, tenant_id

-- name: get_tenant
-- One tenant as its administrators see it.
SELECT id, slug, name, tier, status, default_currency, policies, rate_limit_per_second, created_at, activated_at
FROM control.tenants WHERE id = %(id)s

-- name: get_tenant_for_update
-- One tenant, locked for a change of its status.
SELECT id, slug, name, tier, status, default_currency, policies, rate_limit_per_second, created_at, activated_at
FROM control.tenants WHERE id = %(id)s FOR UPDATE

-- name: list_tenants
-- Tenants, oldest first, after a cursor.
SELECT id, slug, name, tier, status, default_currency, policies, rate_limit_per_second, created_at, activated_at
FROM control.tenants
WHERE (%(after)s::uuid IS NULL OR id > %(after)s) AND (%(status)s::text IS NULL OR status = %(status)s)
ORDER BY id LIMIT %(limit)s

-- name: set_status
-- Change a tenant's status.
UPDATE control.tenants SET status = %(status)s,
  activated_at = CASE WHEN %(status)s = 'active' THEN COALESCE(activated_at, now()) ELSE activated_at END,
  closed_at = CASE WHEN %(status)s IN ('closed', 'failed') THEN now() ELSE closed_at END
WHERE id = %(id)s

-- name: set_policies
-- Replace the tenant's policies.
UPDATE control.tenants SET policies = %(policies)s,
  rate_limit_per_second = COALESCE(%(rate_limit_per_second)s, rate_limit_per_second) WHERE id = %(id)s

-- name: insert_operation
-- A new operation, leased to the process that accepted the request.
INSERT INTO control.operations (id, tenant_id, kind, status, request, lease_holder, lease_expires_at)
VALUES (%(id)s, %(tenant_id)s, %(kind)s, 'running', %(request)s, %(holder)s,
        clock_timestamp() + make_interval(secs => %(lease_seconds)s))

-- name: claim_operation
-- Take over one unfinished operation whose runner has lost its lease.
UPDATE control.operations SET lease_holder = %(holder)s,
  lease_expires_at = clock_timestamp() + make_interval(secs => %(lease_seconds)s)
WHERE id = (SELECT id FROM control.operations
            WHERE finished_at IS NULL AND lease_expires_at < clock_timestamp()
            ORDER BY created_at LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING id, tenant_id, kind, status, request

-- name: renew_operation
-- Keep the lease; no row means that another runner has taken over.
UPDATE control.operations SET lease_expires_at = clock_timestamp() + make_interval(secs => %(lease_seconds)s)
WHERE id = %(id)s AND lease_holder = %(holder)s AND finished_at IS NULL RETURNING id

-- name: operation_steps
-- What has been done of an operation.
SELECT position, step, status, attempts, started_at, finished_at, error, progress
FROM control.operation_steps WHERE operation_id = %(id)s ORDER BY position

-- name: latest_operation
-- The tenant's latest operation of a kind.
SELECT id, kind, status, error, created_at, finished_at FROM control.operations
WHERE tenant_id = %(tenant_id)s AND kind = %(kind)s ORDER BY created_at DESC LIMIT 1

-- name: get_operation
-- One operation of a tenant.
SELECT id, kind, status, error, created_at, finished_at FROM control.operations
WHERE tenant_id = %(tenant_id)s AND id = %(id)s

-- name: begin_step
-- A step begins, or begins again.
INSERT INTO control.operation_steps (operation_id, position, step, status)
VALUES (%(id)s, %(position)s, %(step)s, 'running')
ON CONFLICT (operation_id, position) DO UPDATE
  SET status = 'running', attempts = operation_steps.attempts + 1, error = NULL

-- name: finish_step
-- A step is done, has failed, or was compensated.
UPDATE control.operation_steps SET status = %(status)s, error = %(error)s,
  finished_at = CASE WHEN %(status)s = 'failed' THEN finished_at ELSE clock_timestamp() END
WHERE operation_id = %(id)s AND position = %(position)s

-- name: report_progress
-- How far the step in hand has come; no row means that another runner has taken over.
UPDATE control.operation_steps SET progress = %(progress)s
WHERE operation_id = %(id)s AND position = %(position)s
  AND EXISTS (SELECT 1 FROM control.operations
              WHERE id = %(id)s AND lease_holder = %(holder)s AND finished_at IS NULL)
RETURNING position

-- name: compensate_operation
-- From here on the operation's steps are undone.
UPDATE control.operations SET status = 'compensating', error = %(error)s WHERE id = %(id)s

-- name: finish_operation
-- The operation has ended.
UPDATE control.operations SET status = %(status)s, finished_at = clock_timestamp(), lease_expires_at = NULL,
  lease_holder = NULL WHERE id = %(id)s

-- name: insert_placement
-- Where the tenant's database is.
INSERT INTO control.placements (tenant_id, writer_host, writer_port, reader_host, reader_port, database_name)
VALUES (%(tenant_id)s, %(writer_host)s, %(writer_port)s, %(reader_host)s, %(reader_port)s, %(database_name)s)
ON CONFLICT (tenant_id) DO NOTHING

-- name: get_placement
-- Where the tenant's database is.
SELECT writer_host, writer_port, reader_host, reader_port, database_name
FROM control.placements WHERE tenant_id = %(tenant_id)s

-- name: delete_placement
-- The tenant has no database any more, and its cluster has room again.
WITH assignment AS (DELETE FROM control.cluster_assignments WHERE tenant_id = %(tenant_id)s)
DELETE FROM control.placements WHERE tenant_id = %(tenant_id)s

-- name: lock_assignments
-- One process at a time counts the tenants of the clusters and adds one.
SELECT pg_advisory_xact_lock(hashtext('bezant cluster assignments'))

-- name: get_assignment
-- Which cluster the tenant's database is (to be) on, and for how many seconds it has been so.
SELECT tier, region, cluster, extract(epoch FROM clock_timestamp() - assigned_at)::float8
FROM control.cluster_assignments WHERE tenant_id = %(tenant_id)s

-- name: insert_assignment
-- The tenant's database is to be on this cluster.
INSERT INTO control.cluster_assignments (tenant_id, tier, region, cluster)
VALUES (%(tenant_id)s, %(tier)s, %(region)s, %(cluster)s)

-- name: assignments_by_cluster
-- How many tenants each cluster of a region has.
SELECT cluster, count(*) FROM control.cluster_assignments WHERE region = %(region)s GROUP BY cluster

-- name: tenants_of_resources
-- Whom databases, clusters and secrets may belong to: tenants that are not gone, or whose end is under way.
SELECT t.id FROM control.tenants t
WHERE t.status NOT IN ('closed', 'failed')
   OR EXISTS (SELECT 1 FROM control.operations o WHERE o.tenant_id = t.id AND o.finished_at IS NULL)

-- name: clusters_of_tenants
-- Which cluster each tenant's database is (to be) on.
SELECT tenant_id, cluster FROM control.cluster_assignments

-- name: tenants_with_kept_exports
-- Closed tenants of which something is still kept.
SELECT tenant_id FROM control.exports WHERE removed_at IS NULL

-- name: credential_version
-- Which credential the tenant's services use.
SELECT credential_version FROM control.tenants WHERE id = %(id)s

-- name: set_credential_version
-- From here on the services use this credential.
UPDATE control.tenants SET credential_version = %(version)s WHERE id = %(id)s AND credential_version < %(version)s

-- name: fleet_missing
-- Who has not connected with this credential yet: live instances, and services without any instance that has.
SELECT i.service, i.instance_id FROM control.instances i
LEFT JOIN control.tenant_instances t ON t.instance_id = i.instance_id AND t.tenant_id = %(tenant_id)s
  AND t.credential_version >= %(version)s
WHERE i.service = ANY(%(services)s) AND i.lease_expires_at > clock_timestamp() AND i.started_at <= %(published_at)s
  AND t.tenant_id IS NULL
UNION ALL
SELECT s.service, NULL FROM unnest(%(services)s) AS s(service)
WHERE NOT EXISTS (
  SELECT 1 FROM control.tenant_instances t JOIN control.instances i USING (instance_id)
  WHERE t.tenant_id = %(tenant_id)s AND t.credential_version >= %(version)s AND i.service = s.service)

-- name: step_finished_at
-- When a step was done.
SELECT finished_at FROM control.operation_steps WHERE operation_id = %(id)s AND step = %(step)s AND status = 'done'

-- name: lock_approval
-- One approval of a tenant, locked for a decision.
SELECT id, tenant_id, service, action, subject, request, scope, status, requested_by, requested_at, expires_at,
       decided_by, decided_at, note, finished_at, outcome
FROM control.approvals WHERE id = %(id)s AND tenant_id = %(tenant_id)s FOR UPDATE

-- name: read_approval
-- One approval of a tenant.
SELECT id, tenant_id, service, action, subject, request, scope, status, requested_by, requested_at, expires_at,
       decided_by, decided_at, note, finished_at, outcome
FROM control.approvals WHERE id = %(id)s AND tenant_id = %(tenant_id)s

-- name: list_approvals
-- Approvals of a tenant, latest first, before a cursor.
SELECT id, tenant_id, service, action, subject, request, scope, status, requested_by, requested_at, expires_at,
       decided_by, decided_at, note, finished_at, outcome
FROM control.approvals
WHERE tenant_id = %(tenant_id)s AND (%(before)s::uuid IS NULL OR id < %(before)s)
  AND (%(status)s::text IS NULL OR %(status)s = CASE WHEN status = 'pending' AND expires_at <= now() THEN 'expired'
                                                     ELSE status END)
ORDER BY id DESC LIMIT %(limit)s

-- name: decide_approval
-- Somebody has decided.
UPDATE control.approvals SET status = %(status)s, decided_by = %(decided_by)s, decided_at = clock_timestamp(),
  note = %(note)s
WHERE id = %(id)s

-- name: hint_approval
-- The owner of the act looks at once.
INSERT INTO control.due_work (tenant_id, service, kind, due_at)
VALUES (%(tenant_id)s, %(service)s, %(kind)s, clock_timestamp())
ON CONFLICT (service, kind, tenant_id) DO UPDATE SET due_at = least(due_work.due_at, excluded.due_at)

-- name: origins
-- Who an actor is: itself and the keys that it replaced (same), and everybody who made any of them (above).
WITH RECURSIVE same (actor, depth) AS (
  SELECT %(actor)s::text, 0
  UNION ALL
  SELECT 'key:' || k.key_id, same.depth + 1 FROM same JOIN control.api_keys k ON 'key:' || k.replaced_by = same.actor
  WHERE same.depth < 50
), above (actor, depth) AS (
  SELECT actor, 0 FROM same
  UNION ALL
  SELECT k.created_by, above.depth + 1 FROM above JOIN control.api_keys k ON above.actor = 'key:' || k.key_id
  WHERE above.depth < 50
)
SELECT (SELECT array_agg(DISTINCT actor) FROM same), (SELECT array_agg(DISTINCT actor) FROM above)

-- name: insert_export
-- The tenant's data has been exported.
INSERT INTO control.exports (tenant_id, manifest, keep_until)
VALUES (%(tenant_id)s, %(manifest)s, now() + make_interval(days => %(days)s))
ON CONFLICT (tenant_id) DO UPDATE SET manifest = excluded.manifest

-- name: get_export
-- What was exported of a tenant.
SELECT made_at, manifest, keep_until FROM control.exports WHERE tenant_id = %(tenant_id)s AND removed_at IS NULL

-- name: exports_over
-- Exports whose time is over.
SELECT tenant_id FROM control.exports WHERE keep_until < now() AND removed_at IS NULL

-- name: remove_export
-- The export is gone.
UPDATE control.exports SET removed_at = now() WHERE tenant_id = %(tenant_id)s AND removed_at IS NULL

-- name: late_migrations
-- Tenants' databases that did not answer when the migrations of this very version were applied.
SELECT l.tenant_id, p.writer_host, p.writer_port, p.reader_host, p.reader_port, p.database_name
FROM control.late_migrations l JOIN control.placements p USING (tenant_id)
WHERE l.wanted = %(wanted)s ORDER BY l.since

-- name: migrated_late
-- Such a database has the migrations now.
DELETE FROM control.late_migrations WHERE tenant_id = %(tenant_id)s AND wanted = %(wanted)s
