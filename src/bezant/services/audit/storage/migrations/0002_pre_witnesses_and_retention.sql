-- Signatures under heads besides the first, witnesses that may co-sign, and how long personal values are kept.

CREATE TABLE audit.head_signatures (
  tree_size bigint NOT NULL REFERENCES audit.tree_heads,
  -- A witness's name, or `key:` and the id of a signing key that came after the first.
  signer text NOT NULL,
  line text NOT NULL,
  received_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (tree_size, signer)
);
CREATE TRIGGER head_signatures_are_immutable BEFORE UPDATE OR DELETE OR TRUNCATE ON audit.head_signatures
  FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse_change();

CREATE TABLE audit.witnesses (
  name text PRIMARY KEY CHECK (name <> ''),
  verifier_key text NOT NULL UNIQUE,
  added_by text NOT NULL,
  added_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- One row. No number of days: personal values are kept until somebody erases them.
CREATE TABLE audit.retention (
  only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  personal_values_days integer CHECK (personal_values_days BETWEEN 1 AND 36500),
  changed_by text,
  changed_at timestamptz
);
INSERT INTO audit.retention DEFAULT VALUES;

GRANT SELECT, INSERT ON audit.head_signatures TO bezant_audit;
GRANT SELECT, INSERT, DELETE ON audit.witnesses TO bezant_audit;
GRANT SELECT, UPDATE (personal_values_days, changed_by, changed_at) ON audit.retention TO bezant_audit;
