-- Notification: webhook endpoints, messages numbered per endpoint, deliveries and their attempts.

CREATE SCHEMA IF NOT EXISTS notification;

CREATE TABLE notification.endpoints (
  endpoint_id uuid PRIMARY KEY,
  url text NOT NULL,
  description text NOT NULL DEFAULT '',
  event_filters text[] NOT NULL CHECK (cardinality(event_filters) > 0),
  status text NOT NULL DEFAULT 'enabled' CHECK (status IN ('enabled', 'disabled', 'deleted')),
  status_reason text,
  -- Encrypted with a key of the platform that is not in any database.
  secret bytea NOT NULL,
  -- Still signed with until it expires, so that receivers can change over.
  previous_secret bytea,
  previous_secret_expires_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  CHECK ((previous_secret IS NULL) = (previous_secret_expires_at IS NULL))
);

-- The counter is a row of its own, so that numbering messages does not wait for who edits the endpoint.
CREATE TABLE notification.endpoint_sequences (
  endpoint_id uuid PRIMARY KEY REFERENCES notification.endpoints,
  last_sequence bigint NOT NULL DEFAULT 0 CHECK (last_sequence >= 0)
);

CREATE TABLE notification.messages (
  message_id uuid PRIMARY KEY,
  endpoint_id uuid NOT NULL REFERENCES notification.endpoints,
  sequence bigint NOT NULL CHECK (sequence >= 1),
  event_id uuid NOT NULL,
  event_type text NOT NULL,
  subject text NOT NULL,
  body text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  UNIQUE (endpoint_id, sequence)
);

-- Small and often updated, so apart from the bodies. A claim moves next_attempt_at a lease into the future:
-- a sender that dies leaves a delivery that comes due by itself.
CREATE TABLE notification.deliveries (
  message_id uuid PRIMARY KEY REFERENCES notification.messages,
  endpoint_id uuid NOT NULL,
  sequence bigint NOT NULL,
  status text NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'delivered', 'dead', 'cancelled')),
  attempts smallint NOT NULL DEFAULT 0 CHECK (attempts >= 0),
  next_attempt_at timestamptz NOT NULL DEFAULT now(),
  last_attempt_at timestamptz,
  last_status_code integer,
  last_error text,
  delivered_at timestamptz
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);
CREATE INDEX deliveries_due ON notification.deliveries (endpoint_id, next_attempt_at, sequence)
  WHERE status = 'pending';
CREATE INDEX deliveries_by_sequence ON notification.deliveries (endpoint_id, sequence);

CREATE TABLE notification.attempts (
  attempt_id uuid PRIMARY KEY,
  message_id uuid NOT NULL,
  attempt_number smallint NOT NULL CHECK (attempt_number >= 1),
  attempted_at timestamptz NOT NULL,
  duration_ms integer NOT NULL CHECK (duration_ms >= 0),
  status_code integer,
  error text
);
CREATE INDEX attempts_by_message ON notification.attempts (message_id, attempt_id);

CREATE FUNCTION notification.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'rows of %.% are immutable', TG_TABLE_SCHEMA, TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER messages_are_immutable BEFORE UPDATE OR DELETE OR TRUNCATE ON notification.messages
  FOR EACH STATEMENT EXECUTE FUNCTION notification.refuse_change();
CREATE TRIGGER attempts_are_immutable BEFORE UPDATE OR DELETE OR TRUNCATE ON notification.attempts
  FOR EACH STATEMENT EXECUTE FUNCTION notification.refuse_change();

GRANT USAGE ON SCHEMA notification TO bezant_notification;
GRANT SELECT, INSERT, UPDATE ON notification.endpoints TO bezant_notification;
GRANT SELECT, INSERT, UPDATE (last_sequence) ON notification.endpoint_sequences TO bezant_notification;
GRANT SELECT, INSERT ON notification.messages, notification.attempts TO bezant_notification;
GRANT SELECT, INSERT,
  UPDATE (status, attempts, next_attempt_at, last_attempt_at, last_status_code, last_error, delivered_at)
  ON notification.deliveries TO bezant_notification;
