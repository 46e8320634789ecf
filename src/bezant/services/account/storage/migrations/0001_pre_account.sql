-- Accounts as their owners see them. Balances live in the ledger; nothing here can move money.
CREATE SCHEMA IF NOT EXISTS account;

-- `opening`: written before the ledger is asked to open it, not shown to anybody yet. `change` is what the
-- ledger is being asked to do, written before it is asked, so that whoever finds it can finish it; `revision`
-- numbers these changes.
CREATE TABLE account.accounts (
  id uuid PRIMARY KEY,
  name text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
  account_type text NOT NULL CHECK (account_type IN ('customer', 'merchant', 'settlement', 'fee')),
  currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
  status text NOT NULL CHECK (status IN ('opening', 'open', 'frozen', 'closed')),
  overdraft_limit_minor bigint CHECK (overdraft_limit_minor >= 0),
  daily_limit_minor bigint CHECK (daily_limit_minor >= 0),
  metadata jsonb NOT NULL,
  revision bigint NOT NULL DEFAULT 0,
  change jsonb,
  unfinished_since timestamptz,
  created_by text NOT NULL,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  CHECK ((status = 'opening' OR change IS NOT NULL) = (unfinished_since IS NOT NULL)),
  CHECK ((account_type = 'settlement') = (overdraft_limit_minor IS NULL))
);
CREATE INDEX accounts_unfinished ON account.accounts (unfinished_since) WHERE unfinished_since IS NOT NULL;

CREATE TABLE account.idempotency (
  key text PRIMARY KEY CHECK (length(key) BETWEEN 1 AND 255),
  fingerprint bytea NOT NULL,
  resource_id uuid NOT NULL,
  response_status integer,
  response_body text,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX idempotency_age ON account.idempotency (created_at);
CREATE INDEX idempotency_of_account ON account.idempotency (resource_id);

GRANT USAGE ON SCHEMA account TO bezant_account;
GRANT SELECT, INSERT, UPDATE, DELETE ON account.accounts TO bezant_account;
GRANT SELECT, INSERT, UPDATE (response_status, response_body), DELETE ON account.idempotency TO bezant_account;
