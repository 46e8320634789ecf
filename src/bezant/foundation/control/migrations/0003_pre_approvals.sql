-- Approvals: what one person asks for and another has to approve, before the service that owns it does it, once.

CREATE TABLE control.approvals (
  id uuid PRIMARY KEY,
  tenant_id uuid NOT NULL REFERENCES control.tenants,
  -- Whose act it is, what it does and to what, and all that is needed to do it.
  service text NOT NULL,
  action text NOT NULL,
  subject text NOT NULL,
  request jsonb NOT NULL,
  -- What a key or session needs to do it alone; whoever approves needs it too.
  scope text NOT NULL,
  idempotency_key text,
  fingerprint bytea NOT NULL,
  status text NOT NULL DEFAULT 'pending'
    CHECK (status IN ('pending', 'approved', 'rejected', 'withdrawn', 'executed', 'failed')),
  requested_by text NOT NULL,
  requested_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  expires_at timestamptz NOT NULL,
  decided_by text,
  decided_at timestamptz,
  note text NOT NULL DEFAULT '',
  finished_at timestamptz,
  outcome jsonb,
  CHECK ((status IN ('pending')) = (decided_by IS NULL)),
  CHECK ((decided_by IS NULL) = (decided_at IS NULL)),
  CHECK (status NOT IN ('approved', 'rejected', 'executed', 'failed') OR decided_by <> requested_by),
  CHECK ((status IN ('executed', 'failed')) = (finished_at IS NOT NULL))
);
CREATE UNIQUE INDEX approvals_key ON control.approvals (tenant_id, service, idempotency_key)
  WHERE idempotency_key IS NOT NULL;
CREATE INDEX approvals_tenant ON control.approvals (tenant_id, id);
CREATE INDEX approvals_to_do ON control.approvals (service, tenant_id) WHERE status = 'approved';

-- An approval goes forward only, whoever writes.
CREATE FUNCTION control.approvals_go_forward() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NOT ((OLD.status = 'pending' AND NEW.status IN ('approved', 'rejected', 'withdrawn'))
       OR (OLD.status = 'approved' AND NEW.status IN ('executed', 'failed'))) THEN
    RAISE EXCEPTION 'an approval that is % does not become %', OLD.status, NEW.status
      USING ERRCODE = 'restrict_violation';
  END IF;
  IF NEW.status = 'approved' AND OLD.expires_at <= now() THEN
    RAISE EXCEPTION 'an approval that has expired is not approved' USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER approvals_go_forward BEFORE UPDATE ON control.approvals
  FOR EACH ROW EXECUTE FUNCTION control.approvals_go_forward();

-- The owners ask and carry out; only the tenant service writes who decided.
GRANT SELECT ON control.approvals TO bezant_control_tenant;
GRANT UPDATE (status, decided_by, decided_at, note) ON control.approvals TO bezant_control_tenant;
GRANT SELECT ON control.approvals TO bezant_control_service;
GRANT INSERT (id, tenant_id, service, action, subject, request, scope, idempotency_key, fingerprint, requested_by,
              expires_at) ON control.approvals TO bezant_control_service;
GRANT UPDATE (status, finished_at, outcome) ON control.approvals TO bezant_control_service;
