-- Which cluster a tenant's database is to be on: written before anything is made there, removed after the last of it is
-- gone. Only where databases come from more than one cluster (Aurora).
CREATE TABLE control.cluster_assignments (
  tenant_id uuid PRIMARY KEY REFERENCES control.tenants,
  tier text NOT NULL CHECK (tier IN ('shared', 'dedicated')),
  region text NOT NULL,
  cluster text NOT NULL,
  assigned_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX cluster_assignments_cluster ON control.cluster_assignments (region, cluster);
CREATE UNIQUE INDEX cluster_assignments_dedicated ON control.cluster_assignments (region, cluster)
  WHERE tier = 'dedicated';

-- How far a step has come, in words: creating a cluster takes minutes.
ALTER TABLE control.operation_steps ADD COLUMN progress text;

GRANT SELECT, INSERT, DELETE ON control.cluster_assignments TO bezant_control_tenant;
