-- People: operators and their sessions, keys that replace each other, and every administrative act.

ALTER TABLE control.api_keys
  -- A session is a key that a person got by signing in.
  ADD COLUMN kind text NOT NULL DEFAULT 'key' CHECK (kind IN ('key', 'session')),
  -- Who acts with a session; a key acts as itself.
  ADD COLUMN actor text,
  ADD COLUMN operator_id uuid,
  ADD COLUMN replaced_by text REFERENCES control.api_keys,
  ADD CHECK ((kind = 'session') = (actor IS NOT NULL)),
  ADD CHECK ((kind = 'session') = (operator_id IS NOT NULL)),
  ADD CHECK (kind = 'key' OR expires_at IS NOT NULL);

-- Who may sign in, and as what. tenant_id NULL: a person of the platform. The identity provider's name for the
-- person is bound at the first sign-in, which the address has to be verified for.
CREATE TABLE control.operators (
  id uuid PRIMARY KEY,
  tenant_id uuid REFERENCES control.tenants,
  email text NOT NULL CHECK (email = lower(email) AND length(email) BETWEEN 3 AND 254),
  role text NOT NULL CHECK (role IN ('viewer', 'operator', 'risk', 'admin')),
  issuer text,
  subject text,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  created_by text NOT NULL,
  last_sign_in_at timestamptz,
  removed_at timestamptz,
  CHECK ((issuer IS NULL) = (subject IS NULL))
);
CREATE UNIQUE INDEX operators_email ON control.operators (email, tenant_id) NULLS NOT DISTINCT WHERE removed_at IS NULL;
CREATE INDEX operators_tenant ON control.operators (tenant_id, id);
CREATE INDEX operators_subject ON control.operators (issuer, subject) WHERE removed_at IS NULL;
ALTER TABLE control.api_keys ADD FOREIGN KEY (operator_id) REFERENCES control.operators;
CREATE INDEX api_keys_operator ON control.api_keys (operator_id) WHERE operator_id IS NOT NULL;

-- Sign-ins that have begun: what has to come back from the identity provider, and to whom.
CREATE TABLE control.sign_ins (
  id uuid PRIMARY KEY,
  -- Only whoever began it can complete it: the state passes through browsers, the secret does not.
  secret_hash bytea NOT NULL,
  state_hash bytea NOT NULL,
  nonce text NOT NULL,
  code_verifier text NOT NULL,
  redirect_uri text NOT NULL,
  tenant_slug text,
  expires_at timestamptz NOT NULL
);
CREATE INDEX sign_ins_expired ON control.sign_ins (expires_at);

-- Every administrative act, in the transaction that did it. What concerns a tenant stands in its audit log as well.
CREATE TABLE control.administrative_acts (
  id uuid PRIMARY KEY,
  happened_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  actor text NOT NULL,
  act text NOT NULL,
  tenant_id uuid,
  subject text NOT NULL,
  details jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX administrative_acts_tenant ON control.administrative_acts (tenant_id, id);

CREATE FUNCTION control.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'rows of %.% are immutable', TG_TABLE_SCHEMA, TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER administrative_acts_are_immutable BEFORE UPDATE OR DELETE OR TRUNCATE ON control.administrative_acts
  FOR EACH STATEMENT EXECUTE FUNCTION control.refuse_change();

GRANT SELECT, INSERT, UPDATE ON control.operators TO bezant_control_tenant;
GRANT SELECT, INSERT, DELETE ON control.sign_ins TO bezant_control_tenant;
GRANT SELECT, INSERT ON control.administrative_acts TO bezant_control_tenant;
