-- Fraud: assessments (one per payment, immutable), rule sets with their history, cases.

CREATE SCHEMA IF NOT EXISTS fraud;

-- Version 1 is the rule set that ships with the product and has no row; what a tenant activates starts at 2.
CREATE TABLE fraud.rulesets (
  version integer PRIMARY KEY CHECK (version >= 2),
  document jsonb NOT NULL,
  created_by text NOT NULL,
  note text NOT NULL DEFAULT '',
  created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE fraud.assessments (
  assessment_id uuid PRIMARY KEY,
  payment_id uuid NOT NULL UNIQUE,
  source_account_id uuid NOT NULL,
  destination_account_id uuid NOT NULL,
  amount_minor bigint NOT NULL CHECK (amount_minor > 0),
  currency text NOT NULL,
  decision text NOT NULL CHECK (decision IN ('approve', 'review', 'decline')),
  score smallint NOT NULL CHECK (score BETWEEN 0 AND 100),
  reasons jsonb NOT NULL CHECK (jsonb_typeof(reasons) = 'array'),
  ruleset_version integer NOT NULL CHECK (ruleset_version >= 1),
  degraded boolean NOT NULL,
  -- What the rules saw, for the person who reviews; no personal data.
  features jsonb NOT NULL,
  created_at timestamptz NOT NULL,
  assessed_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE fraud.cases (
  case_id uuid PRIMARY KEY,
  assessment_id uuid NOT NULL UNIQUE REFERENCES fraud.assessments,
  payment_id uuid NOT NULL UNIQUE,
  origin text NOT NULL CHECK (origin IN ('rules', 'fraud_unavailable')),
  status text NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'approved', 'declined')),
  opened_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  note text,
  decided_by text,
  decided_at timestamptz,
  CHECK ((status = 'open') = (decided_at IS NULL)),
  CHECK ((status = 'open') = (decided_by IS NULL))
);
CREATE INDEX cases_by_status ON fraud.cases (status, case_id);

CREATE FUNCTION fraud.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'rows of %.% are immutable', TG_TABLE_SCHEMA, TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER assessments_are_immutable BEFORE UPDATE OR DELETE OR TRUNCATE ON fraud.assessments
  FOR EACH STATEMENT EXECUTE FUNCTION fraud.refuse_change();
CREATE TRIGGER rulesets_are_immutable BEFORE UPDATE OR DELETE OR TRUNCATE ON fraud.rulesets
  FOR EACH STATEMENT EXECUTE FUNCTION fraud.refuse_change();

-- A case is decided once; who decided what never changes afterwards.
CREATE FUNCTION fraud.refuse_second_decision() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.status <> 'open' THEN
    RAISE EXCEPTION 'fraud case % is already %', OLD.case_id, OLD.status USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER cases_are_decided_once BEFORE UPDATE ON fraud.cases
  FOR EACH ROW EXECUTE FUNCTION fraud.refuse_second_decision();

GRANT USAGE ON SCHEMA fraud TO bezant_fraud;
GRANT SELECT, INSERT ON fraud.rulesets, fraud.assessments, fraud.cases TO bezant_fraud;
GRANT UPDATE (status, note, decided_by, decided_at) ON fraud.cases TO bezant_fraud;
