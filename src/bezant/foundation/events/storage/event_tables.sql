-- How a schema publishes and consumes events; applied to every service's schema and to the control schema, with
-- :schema and :role replaced. Changed by adding a file beside this one, never by editing it after a release.
CREATE SCHEMA IF NOT EXISTS :schema;

CREATE TABLE :schema.outbox (
  n bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  event_id uuid NOT NULL UNIQUE,
  topic text NOT NULL,
  partition_key text NOT NULL,
  envelope text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  published_at timestamptz
);
CREATE INDEX outbox_unpublished ON :schema.outbox (n) WHERE published_at IS NULL;
CREATE INDEX outbox_published ON :schema.outbox (published_at) WHERE published_at IS NOT NULL;

-- For which generation of the broker the outbox was published.
CREATE TABLE :schema.relay_state (
  only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  broker_generation bigint NOT NULL DEFAULT 0
);
INSERT INTO :schema.relay_state DEFAULT VALUES;

-- Which events have taken effect here.
CREATE TABLE :schema.inbox (
  event_id uuid PRIMARY KEY,
  received_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

GRANT USAGE ON SCHEMA :schema TO :role;
GRANT SELECT, INSERT, UPDATE (published_at), DELETE ON :schema.outbox TO :role;
GRANT SELECT, UPDATE ON :schema.relay_state TO :role;
GRANT SELECT, INSERT, DELETE ON :schema.inbox TO :role;
