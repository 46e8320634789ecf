-- What rules saw in full, shadow rule sets, models, labels, assignment and the second person.

ALTER TABLE fraud.assessments
  -- Names the order of the numbers in `features`; rows of before hold named values there.
  ADD COLUMN feature_set smallint,
  -- Pseudonyms of the payer's device and address: counters are filled from them after a loss.
  ADD COLUMN device_digest bytea CHECK (octet_length(device_digest) = 10),
  ADD COLUMN ip_digest bytea CHECK (octet_length(ip_digest) = 10),
  ADD COLUMN country text,
  -- What a shadow rule set and a model say; neither had a part in the decision.
  ADD COLUMN shadow jsonb;
CREATE INDEX assessments_by_shadow ON fraud.assessments (((shadow ->> 'ruleset_version')::integer), assessment_id)
  WHERE shadow IS NOT NULL;

ALTER TABLE fraud.rulesets
  ADD COLUMN mode text NOT NULL DEFAULT 'active' CHECK (mode IN ('active', 'shadow'));
CREATE TABLE fraud.shadow_ends (
  version integer PRIMARY KEY REFERENCES fraud.rulesets,
  ended_by text NOT NULL,
  ended_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

ALTER TABLE fraud.cases
  ADD COLUMN assignee text,
  ADD COLUMN assigned_at timestamptz,
  -- A first person's decision, while a second person's is missing.
  ADD COLUMN proposed_status text CHECK (proposed_status IN ('approved', 'declined')),
  ADD COLUMN proposed_by text,
  ADD COLUMN proposed_note text,
  ADD COLUMN proposed_at timestamptz,
  ADD CHECK ((assignee IS NULL) = (assigned_at IS NULL)),
  ADD CHECK ((proposed_status IS NULL) = (proposed_by IS NULL)),
  ADD CHECK ((proposed_status IS NULL) = (proposed_at IS NULL)),
  -- Held here too, so that no way around the code lets one person do both.
  ADD CHECK (proposed_by IS NULL OR decided_by IS NULL OR proposed_by <> decided_by);
CREATE INDEX cases_to_claim ON fraud.cases (case_id) WHERE status = 'open' AND assignee IS NULL;

CREATE TABLE fraud.case_notes (
  note_id uuid PRIMARY KEY,
  case_id uuid NOT NULL REFERENCES fraud.cases,
  author text NOT NULL,
  note text NOT NULL CHECK (note <> ''),
  written_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX case_notes_by_case ON fraud.case_notes (case_id, note_id);
CREATE TRIGGER case_notes_are_immutable BEFORE UPDATE OR DELETE OR TRUNCATE ON fraud.case_notes
  FOR EACH STATEMENT EXECUTE FUNCTION fraud.refuse_change();

-- What a payment turned out to be. The last row of a payment counts; the others are its history.
CREATE TABLE fraud.labels (
  label_id uuid PRIMARY KEY,
  payment_id uuid NOT NULL REFERENCES fraud.assessments (payment_id),
  label text NOT NULL CHECK (label IN ('fraud', 'legitimate')),
  source text NOT NULL CHECK (source IN ('review', 'chargeback', 'report', 'other')),
  note text NOT NULL DEFAULT '',
  labelled_by text NOT NULL,
  labelled_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX labels_by_payment ON fraud.labels (payment_id, label_id);
CREATE TRIGGER labels_are_immutable BEFORE UPDATE OR DELETE OR TRUNCATE ON fraud.labels
  FOR EACH STATEMENT EXECUTE FUNCTION fraud.refuse_change();

CREATE TABLE fraud.settings (
  only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  second_person text NOT NULL DEFAULT 'never' CHECK (second_person IN ('never', 'approvals', 'always')),
  changed_by text,
  changed_at timestamptz
);
INSERT INTO fraud.settings DEFAULT VALUES;

GRANT SELECT, INSERT ON fraud.shadow_ends, fraud.case_notes, fraud.labels TO bezant_fraud;
GRANT UPDATE (assignee, assigned_at, proposed_status, proposed_by, proposed_note, proposed_at) ON fraud.cases
  TO bezant_fraud;
GRANT SELECT, UPDATE (second_person, changed_by, changed_at) ON fraud.settings TO bezant_fraud;
