-- Notification in full: Ed25519 signatures, client certificates, circuits, bodies of answers, e-mail, pruning.

ALTER TABLE notification.endpoints
  ADD COLUMN kind text NOT NULL DEFAULT 'webhook' CHECK (kind IN ('webhook', 'email')),
  -- Standard Webhooks signature versions.
  ADD COLUMN signatures text[] NOT NULL DEFAULT '{v1}'
    CHECK (cardinality(signatures) > 0 AND signatures <@ '{v1,v1a}'),
  -- The Ed25519 key: the private half encrypted as the secrets are, the public half for everyone to see.
  ADD COLUMN signing_key bytea,
  ADD COLUMN public_key text,
  ADD COLUMN previous_signing_key bytea,
  ADD COLUMN previous_public_key text,
  ADD COLUMN client_certificate boolean NOT NULL DEFAULT false,
  -- An e-mail address gets nothing until its owner has shown the code that was sent to it.
  ADD COLUMN confirmation_hash bytea,
  ADD COLUMN confirmation_expires_at timestamptz,
  ADD CHECK ((signing_key IS NULL) = (public_key IS NULL)),
  ADD CHECK ((previous_signing_key IS NULL) = (previous_public_key IS NULL)),
  ADD CHECK ('v1a' <> ALL (signatures) OR signing_key IS NOT NULL);

-- How an endpoint that fails is doing: a row from its first failure on. Apart from the endpoint, so that writing
-- it down does not wait for who edits the endpoint.
CREATE TABLE notification.endpoint_circuits (
  endpoint_id uuid PRIMARY KEY REFERENCES notification.endpoints,
  consecutive_failures integer NOT NULL CHECK (consecutive_failures >= 0),
  failing_since timestamptz,
  times_opened integer NOT NULL DEFAULT 0,
  -- Nothing is sent before.
  open_until timestamptz
) WITH (fillfactor = 50);

ALTER TABLE notification.attempts ADD COLUMN answer_body text;

-- What a tenant writes into its e-mails instead of Bezant's own words; by event type.
CREATE TABLE notification.email_templates (
  event_type text PRIMARY KEY,
  subject text NOT NULL,
  body text NOT NULL,
  updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  updated_by text NOT NULL
);

-- History is pruned after its retention and otherwise immutable: whoever holds the role cannot remove what is young.
CREATE FUNCTION notification.refuse_young_delete() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (CASE TG_TABLE_NAME WHEN 'messages' THEN (to_jsonb(OLD) ->> 'created_at')
      ELSE (to_jsonb(OLD) ->> 'attempted_at') END)::timestamptz > clock_timestamp() - interval '1 day' THEN
    RAISE EXCEPTION 'rows of %.% are kept for a day at least', TG_TABLE_SCHEMA, TG_TABLE_NAME
      USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN OLD;
END $$;
DROP TRIGGER messages_are_immutable ON notification.messages;
CREATE TRIGGER messages_are_immutable BEFORE UPDATE OR TRUNCATE ON notification.messages
  FOR EACH STATEMENT EXECUTE FUNCTION notification.refuse_change();
CREATE TRIGGER young_messages_stay BEFORE DELETE ON notification.messages
  FOR EACH ROW EXECUTE FUNCTION notification.refuse_young_delete();
DROP TRIGGER attempts_are_immutable ON notification.attempts;
CREATE TRIGGER attempts_are_immutable BEFORE UPDATE OR TRUNCATE ON notification.attempts
  FOR EACH STATEMENT EXECUTE FUNCTION notification.refuse_change();
CREATE TRIGGER young_attempts_stay BEFORE DELETE ON notification.attempts
  FOR EACH ROW EXECUTE FUNCTION notification.refuse_young_delete();

GRANT SELECT, INSERT, UPDATE ON notification.endpoint_circuits TO bezant_notification;
GRANT SELECT, INSERT, UPDATE, DELETE ON notification.email_templates TO bezant_notification;
GRANT DELETE ON notification.messages, notification.deliveries, notification.attempts TO bezant_notification;
