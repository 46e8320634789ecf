-- Payments of one tenant, with their idempotency records and the actions on them.
CREATE SCHEMA IF NOT EXISTS payment;

CREATE TABLE payment.payments (
  id uuid PRIMARY KEY,
  source_account_id uuid NOT NULL,
  destination_account_id uuid NOT NULL,
  amount_minor bigint NOT NULL CHECK (amount_minor BETWEEN 1 AND 9007199254740991),
  currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
  capture text NOT NULL CHECK (capture IN ('automatic', 'manual')),
  splits jsonb NOT NULL DEFAULT '[]',
  reference text NOT NULL DEFAULT '',
  metadata jsonb NOT NULL DEFAULT '{}',
  context jsonb NOT NULL DEFAULT '{}',
  status text NOT NULL CHECK (status IN ('processing', 'requires_review', 'authorized', 'captured',
    'partially_refunded', 'refunded', 'voided', 'declined', 'failed', 'expired')),
  reason_code text,
  risk jsonb NOT NULL DEFAULT '{}',
  -- A decision that was taken without the fraud service; written before the ledger is asked to act on it.
  unscored_decision text CHECK (unscored_decision IN ('approve', 'review')),
  captured_minor bigint NOT NULL DEFAULT 0,
  refunded_minor bigint NOT NULL DEFAULT 0,
  refunding_minor bigint NOT NULL DEFAULT 0,
  idempotency_key text NOT NULL,
  actor text NOT NULL,
  -- Who works on a payment that is processing: the request that made it is attempt 1, each take-over adds one.
  attempt integer NOT NULL DEFAULT 1,
  version integer NOT NULL DEFAULT 1,
  expires_at timestamptz,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  CHECK (source_account_id <> destination_account_id),
  CHECK (captured_minor BETWEEN 0 AND amount_minor),
  CHECK (refunded_minor >= 0 AND refunding_minor >= 0 AND refunded_minor + refunding_minor <= captured_minor),
  CHECK (status <> 'captured' OR (captured_minor > 0 AND refunded_minor = 0)),
  CHECK (status <> 'partially_refunded' OR (refunded_minor > 0 AND refunded_minor < captured_minor)),
  CHECK (status <> 'refunded' OR (refunded_minor > 0 AND refunded_minor = captured_minor)),
  CHECK (status NOT IN ('processing', 'requires_review', 'authorized', 'voided', 'declined', 'failed', 'expired')
         OR captured_minor = 0),
  CHECK (status NOT IN ('declined', 'failed') OR reason_code IS NOT NULL)
);
CREATE INDEX payments_processing ON payment.payments (created_at) WHERE status = 'processing';
CREATE INDEX payments_expiring ON payment.payments (expires_at) WHERE status IN ('authorized', 'requires_review');
CREATE INDEX payments_unscored ON payment.payments (id)
  WHERE unscored_decision IS NOT NULL AND NOT (risk ? 'rescored');
CREATE INDEX payments_source ON payment.payments (source_account_id, id);
CREATE INDEX payments_destination ON payment.payments (destination_account_id, id);
CREATE INDEX payments_status ON payment.payments (status, id);

CREATE TABLE payment.idempotency (
  key text PRIMARY KEY,
  fingerprint bytea NOT NULL CHECK (octet_length(fingerprint) = 32),
  resource_id uuid NOT NULL,
  response_status integer CHECK (response_status BETWEEN 200 AND 499),
  response_body text,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  CHECK ((response_status IS NULL) = (response_body IS NULL))
);
CREATE INDEX idempotency_age ON payment.idempotency (created_at);

-- A capture, a void, a refund, an expiry, or the end of a review: the intent is written before the ledger is
-- asked, under the id by which the ledger knows it.
CREATE TABLE payment.actions (
  id uuid PRIMARY KEY,
  payment_id uuid NOT NULL REFERENCES payment.payments,
  kind text NOT NULL CHECK (kind IN ('capture', 'void', 'refund', 'expire', 'decline')),
  amount_minor bigint NOT NULL CHECK (amount_minor BETWEEN 0 AND 9007199254740991),
  splits jsonb,
  reference text NOT NULL DEFAULT '',
  status text NOT NULL CHECK (status IN ('processing', 'succeeded', 'failed')),
  reason_code text,
  idempotency_key text,
  actor text NOT NULL,
  attempt integer NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL,
  finished_at timestamptz,
  CHECK ((status = 'processing') = (finished_at IS NULL)),
  CHECK (kind <> 'refund' OR amount_minor > 0)
);
-- A hold ends once: while one action works on it, no other may begin.
CREATE UNIQUE INDEX actions_one_end ON payment.actions (payment_id)
  WHERE kind IN ('capture', 'void', 'expire', 'decline') AND status IN ('processing', 'succeeded');
CREATE INDEX actions_processing ON payment.actions (created_at) WHERE status = 'processing';
CREATE INDEX actions_payment ON payment.actions (payment_id, id);

GRANT USAGE ON SCHEMA payment TO bezant_payment;
GRANT SELECT, INSERT, UPDATE ON payment.payments, payment.actions TO bezant_payment;
GRANT SELECT, INSERT, UPDATE, DELETE ON payment.idempotency TO bezant_payment;
