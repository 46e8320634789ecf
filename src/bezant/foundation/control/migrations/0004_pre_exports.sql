-- What was exported of a tenant before its database was removed.
CREATE TABLE control.exports (
  tenant_id uuid PRIMARY KEY REFERENCES control.tenants,
  made_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  -- The files with their rows, bytes and SHA-256, as the manifest beside them has it.
  manifest jsonb NOT NULL,
  keep_until timestamptz NOT NULL,
  removed_at timestamptz
);
CREATE INDEX exports_kept ON control.exports (keep_until) WHERE removed_at IS NULL;

GRANT SELECT, INSERT, UPDATE (made_at, manifest, keep_until, removed_at) ON control.exports TO bezant_control_tenant;
