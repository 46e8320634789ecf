-- Tenants' databases that did not answer when a version's migrations were applied. The tenant service of that version
-- applies them as soon as they answer.
CREATE TABLE control.late_migrations (
  tenant_id uuid PRIMARY KEY REFERENCES control.tenants,
  -- Which migrations are missing (bezant.foundation.database.migrations.digest): an older version must not think that
  -- its own, which are all there, were meant.
  wanted text NOT NULL,
  reason text NOT NULL,
  since timestamptz NOT NULL DEFAULT clock_timestamp()
);

GRANT SELECT, DELETE ON control.late_migrations TO bezant_control_tenant;
