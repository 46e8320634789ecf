-- The control database. Group roles (bezant_control_tenant for the owner service, bezant_control_service for
-- the other six) are created by the bootstrap before migrations run.
CREATE SCHEMA IF NOT EXISTS control;

CREATE TABLE control.tenants (
  id uuid PRIMARY KEY,
  slug text NOT NULL CHECK (slug ~ '^[a-z0-9][a-z0-9-]{1,38}[a-z0-9]$'),
  name text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
  tier text NOT NULL CHECK (tier IN ('shared', 'dedicated')),
  status text NOT NULL CHECK (status IN ('onboarding', 'active', 'suspended', 'closing', 'closed', 'failed')),
  default_currency char(3) NOT NULL,
  policies jsonb NOT NULL DEFAULT '{}',
  rate_limit_per_second integer NOT NULL CHECK (rate_limit_per_second > 0),
  credential_version integer NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL DEFAULT now(),
  activated_at timestamptz,
  closed_at timestamptz,
  CHECK (status <> 'active' OR activated_at IS NOT NULL)
);

-- A name is free again once its tenant is gone.
CREATE UNIQUE INDEX tenants_slug ON control.tenants (slug) WHERE status NOT IN ('failed', 'closed');

-- Where a tenant's database is. One row a tenant; written by provisioning, read by every pool manager.
CREATE TABLE control.placements (
  tenant_id uuid PRIMARY KEY REFERENCES control.tenants,
  writer_host text NOT NULL,
  writer_port integer NOT NULL,
  reader_host text NOT NULL,
  reader_port integer NOT NULL,
  database_name text NOT NULL UNIQUE
);

-- tenant_id NULL is an admin key of the platform.
CREATE TABLE control.api_keys (
  key_id text PRIMARY KEY,
  tenant_id uuid REFERENCES control.tenants,
  secret_hash bytea NOT NULL CHECK (octet_length(secret_hash) = 32),
  name text NOT NULL,
  scopes text[] NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  created_by text NOT NULL,
  expires_at timestamptz,
  revoked_at timestamptz
);
CREATE INDEX api_keys_tenant ON control.api_keys (tenant_id, key_id);

-- Sagas: onboarding, credential rotation, offboarding. One runner at a time holds the lease.
CREATE TABLE control.operations (
  id uuid PRIMARY KEY,
  tenant_id uuid NOT NULL REFERENCES control.tenants,
  kind text NOT NULL CHECK (kind IN ('onboarding', 'rotation', 'offboarding')),
  status text NOT NULL CHECK (status IN ('running', 'compensating', 'succeeded', 'failed')),
  request jsonb NOT NULL DEFAULT '{}',
  error text,
  lease_holder text,
  lease_expires_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  finished_at timestamptz
);
CREATE INDEX operations_unfinished ON control.operations (lease_expires_at) WHERE finished_at IS NULL;
CREATE UNIQUE INDEX operations_one_at_a_time ON control.operations (tenant_id) WHERE finished_at IS NULL;

CREATE TABLE control.operation_steps (
  operation_id uuid NOT NULL REFERENCES control.operations ON DELETE CASCADE,
  position integer NOT NULL,
  step text NOT NULL,
  status text NOT NULL CHECK (status IN ('running', 'done', 'failed', 'compensated')),
  attempts integer NOT NULL DEFAULT 1,
  started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  finished_at timestamptz,
  error text,
  PRIMARY KEY (operation_id, position)
);

-- The fleet: one row a running process, alive while its lease is.
CREATE TABLE control.instances (
  instance_id text PRIMARY KEY,
  service text NOT NULL,
  zone text NOT NULL,
  version text NOT NULL,
  started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  lease_expires_at timestamptz NOT NULL
);
CREATE INDEX instances_live ON control.instances (service, lease_expires_at);

-- An instance has fetched this version of a tenant's credential and connected with it once.
CREATE TABLE control.tenant_instances (
  tenant_id uuid NOT NULL REFERENCES control.tenants ON DELETE CASCADE,
  instance_id text NOT NULL REFERENCES control.instances ON DELETE CASCADE,
  credential_version integer NOT NULL,
  connected_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (tenant_id, instance_id)
);

-- Which tenants have work that is due, so that idle tenants' databases are never polled.
CREATE TABLE control.due_work (
  tenant_id uuid NOT NULL,
  service text NOT NULL,
  kind text NOT NULL,
  due_at timestamptz NOT NULL,
  PRIMARY KEY (service, kind, tenant_id)
);
CREATE INDEX due_work_due ON control.due_work (service, due_at);

-- Events of a tenant whose database was down when they arrived, in their order, until it is back.
CREATE TABLE control.parked_events (
  n bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  service text NOT NULL,
  tenant_id uuid NOT NULL,
  event_id uuid NOT NULL,
  topic text NOT NULL,
  envelope text NOT NULL,
  parked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  UNIQUE (service, event_id)
);
CREATE INDEX parked_events_tenant ON control.parked_events (service, tenant_id, n);

-- The broker's generation: it is raised when the broker's log is found shorter than it was, that is, emptied.
CREATE TABLE control.broker_state (
  only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  generation bigint NOT NULL DEFAULT 0,
  last_offset bigint NOT NULL DEFAULT -1
);
INSERT INTO control.broker_state DEFAULT VALUES;

-- The tenant service's idempotency records; its event tables come from foundation/events/storage.
CREATE TABLE control.idempotency (
  key text PRIMARY KEY,
  fingerprint bytea NOT NULL,
  resource_id uuid NOT NULL,
  response_status integer,
  response_body text,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

GRANT USAGE ON SCHEMA control TO bezant_control_tenant, bezant_control_service;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA control TO bezant_control_tenant;
GRANT SELECT ON control.tenants, control.placements, control.api_keys TO bezant_control_service;
GRANT SELECT, INSERT, UPDATE, DELETE ON control.instances, control.tenant_instances, control.due_work,
  control.parked_events TO bezant_control_service;
GRANT SELECT, UPDATE ON control.broker_state TO bezant_control_service;
