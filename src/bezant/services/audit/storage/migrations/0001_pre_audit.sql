-- Audit: an append-only log with a Merkle tree over it (RFC 6962), and the personal values it commits to.

CREATE SCHEMA IF NOT EXISTS audit;

CREATE TABLE audit.entries (
  position bigint PRIMARY KEY CHECK (position >= 0),
  entry_id uuid NOT NULL UNIQUE,
  event_type text NOT NULL,
  topic text NOT NULL,
  subject text NOT NULL,
  actor text NOT NULL,
  occurred_at timestamptz NOT NULL,
  recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  -- RFC 8785 text, hashed as it stands.
  leaf text NOT NULL,
  leaf_hash bytea NOT NULL CHECK (octet_length(leaf_hash) = 32),
  -- Hashes of the complete subtrees that end with this leaf, level 1 first: heads and proofs read O(log n) rows.
  subtree_hashes bytea NOT NULL CHECK (octet_length(subtree_hashes) % 32 = 0)
);
CREATE INDEX entries_by_subject ON audit.entries (subject, position);
CREATE INDEX entries_by_type ON audit.entries (event_type, position);
CREATE INDEX entries_by_actor ON audit.entries (actor, position);

-- One row: who appends locks it, so a tenant's log has one writer at a time.
CREATE TABLE audit.tree_state (
  only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  tree_size bigint NOT NULL DEFAULT 0 CHECK (tree_size >= 0),
  -- Hashes of the complete subtrees that make up the tree, largest first.
  frontier bytea NOT NULL DEFAULT ''
);
INSERT INTO audit.tree_state DEFAULT VALUES;

CREATE TABLE audit.tree_heads (
  tree_size bigint PRIMARY KEY CHECK (tree_size >= 0),
  root_hash bytea NOT NULL CHECK (octet_length(root_hash) = 32),
  checkpoint text NOT NULL,
  signed_at timestamptz NOT NULL
);

-- Kept apart from the log, so that erasing a person's data leaves every hash as it is.
CREATE TABLE audit.personal_values (
  -- No foreign key: inserted by the statement that inserts the entry, and entries never go.
  position bigint NOT NULL,
  pointer text NOT NULL,
  salt bytea NOT NULL CHECK (octet_length(salt) = 32),
  -- JSON text and not jsonb, which refuses the \u0000 that JSON may hold.
  value text NOT NULL,
  PRIMARY KEY (position, pointer)
);

CREATE FUNCTION audit.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'rows of %.% are immutable', TG_TABLE_SCHEMA, TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER entries_are_immutable BEFORE UPDATE OR DELETE OR TRUNCATE ON audit.entries
  FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse_change();
CREATE TRIGGER tree_heads_are_immutable BEFORE UPDATE OR DELETE OR TRUNCATE ON audit.tree_heads
  FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse_change();
CREATE TRIGGER personal_values_are_not_edited BEFORE UPDATE OR TRUNCATE ON audit.personal_values
  FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse_change();

CREATE FUNCTION audit.refuse_shrinking() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.tree_size < OLD.tree_size THEN
    RAISE EXCEPTION 'the audit log cannot shrink' USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER tree_state_grows BEFORE UPDATE ON audit.tree_state
  FOR EACH ROW EXECUTE FUNCTION audit.refuse_shrinking();

GRANT USAGE ON SCHEMA audit TO bezant_audit;
GRANT SELECT, INSERT ON audit.entries, audit.tree_heads TO bezant_audit;
GRANT SELECT, INSERT, DELETE ON audit.personal_values TO bezant_audit;
GRANT SELECT, UPDATE (tree_size, frontier) ON audit.tree_state TO bezant_audit;
