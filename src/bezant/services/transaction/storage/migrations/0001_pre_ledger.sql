-- The ledger. Balances move by the insertion of entries and by nothing else: the service's role may not write
-- a balance, and the trigger on entries applies every inserted line to its account. All amounts are integers
-- in minor units of the account's currency; sums are numeric, so that they cannot overflow.
CREATE SCHEMA IF NOT EXISTS ledger;

-- Policy and balances stand on one row, so that CHECK constraints make an overdraft impossible.
CREATE TABLE ledger.accounts (
  id uuid PRIMARY KEY,
  account_type text NOT NULL CHECK (account_type IN ('customer', 'merchant', 'settlement', 'fee')),
  currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
  normal_side text NOT NULL CHECK (normal_side IN ('debit', 'credit')),
  status text NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'frozen', 'closed')),
  overdraft_limit_minor bigint CHECK (overdraft_limit_minor >= 0),            -- NULL: unlimited
  daily_limit_minor bigint CHECK (daily_limit_minor >= 0),                    -- NULL: none
  policy_revision bigint NOT NULL DEFAULT 0,    -- of the latest command on status or limits,
  policy_refusal text,                          -- and why that one was refused, if it was
  posted_debits numeric(38, 0) NOT NULL DEFAULT 0 CHECK (posted_debits >= 0),
  posted_credits numeric(38, 0) NOT NULL DEFAULT 0 CHECK (posted_credits >= 0),
  pending_debits numeric(38, 0) NOT NULL DEFAULT 0 CHECK (pending_debits >= 0),
  pending_credits numeric(38, 0) NOT NULL DEFAULT 0 CHECK (pending_credits >= 0),
  version bigint NOT NULL DEFAULT 0 CHECK (version >= 0),                     -- number of the latest entry
  limit_day date,                                                             -- UTC; see entries.limit_day
  limit_day_out_minor numeric(38, 0) NOT NULL DEFAULT 0,
  opened_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  CONSTRAINT accounts_within_overdraft_limit CHECK (
    overdraft_limit_minor IS NULL
    OR CASE normal_side
         WHEN 'credit' THEN posted_credits - posted_debits - pending_debits
         ELSE posted_debits - posted_credits - pending_credits
       END >= -overdraft_limit_minor),
  CONSTRAINT accounts_closed_empty CHECK (
    status <> 'closed'
    OR (posted_debits = posted_credits AND pending_debits = 0 AND pending_credits = 0))
) WITH (fillfactor = 50);

CREATE TABLE ledger.transfers (
  id uuid PRIMARY KEY,
  kind text NOT NULL CHECK (kind IN ('transfer', 'pending', 'post', 'void', 'expire', 'reversal')),
  currency text NOT NULL,
  amount_minor bigint NOT NULL CHECK (amount_minor BETWEEN 1 AND 9007199254740991),
  line_count smallint NOT NULL CHECK (line_count >= 2),
  pending_id uuid,
  reverses_id uuid,
  batch_id uuid,
  origin text NOT NULL CHECK (origin IN ('ledger', 'payment')),
  reference text NOT NULL,
  metadata jsonb NOT NULL,
  fingerprint bytea NOT NULL,
  actor text NOT NULL,
  created_at timestamptz NOT NULL,
  CHECK ((pending_id IS NOT NULL) = (kind IN ('post', 'void', 'expire'))),
  CHECK ((reverses_id IS NOT NULL) = (kind = 'reversal'))
);
-- A hold is resolved once and a transfer reversed once, whatever the code believes.
CREATE UNIQUE INDEX transfers_resolves_once ON ledger.transfers (pending_id) WHERE pending_id IS NOT NULL;
CREATE UNIQUE INDEX transfers_reverses_once ON ledger.transfers (reverses_id) WHERE reverses_id IS NOT NULL;
CREATE INDEX transfers_by_time ON ledger.transfers (created_at, id);

-- Foreign keys would be checked row by row; apply_entries checks the same for the whole insertion at once,
-- and nothing they point to can be deleted.
CREATE TABLE ledger.entries (
  transfer_id uuid NOT NULL,
  leg smallint NOT NULL CHECK (leg >= 0),
  account_id uuid NOT NULL,
  direction text NOT NULL CHECK (direction IN ('debit', 'credit')),
  phase text NOT NULL CHECK (phase IN ('pending', 'posted', 'released')),
  amount_minor bigint NOT NULL CHECK (amount_minor BETWEEN 1 AND 9007199254740991),
  limit_day date,                             -- the day against whose limit an outflow counts, if it does
  account_version bigint NOT NULL CHECK (account_version > 0),
  balance_after_minor numeric(38, 0) NOT NULL, -- posted balance, positive on the account's normal side
  created_at timestamptz NOT NULL,
  PRIMARY KEY (transfer_id, leg),
  CONSTRAINT entries_of_account UNIQUE (account_id, account_version)
);

-- The state of each pending transfer; its legs are the entries of that transfer.
CREATE TABLE ledger.holds (
  transfer_id uuid PRIMARY KEY REFERENCES ledger.transfers,
  state text NOT NULL CHECK (state IN ('pending', 'posted', 'voided', 'expired')),
  amount_minor bigint NOT NULL CHECK (amount_minor > 0),
  posted_amount_minor bigint NOT NULL DEFAULT 0 CHECK (posted_amount_minor BETWEEN 0 AND amount_minor),
  expires_at timestamptz,
  limit_day date,
  resolved_by uuid,
  CHECK ((state = 'pending') = (resolved_by IS NULL)),
  CHECK ((state = 'posted') = (posted_amount_minor > 0))
) WITH (fillfactor = 70);
CREATE INDEX holds_due ON ledger.holds (expires_at) WHERE state = 'pending' AND expires_at IS NOT NULL;

CREATE TABLE ledger.idempotency (
  key text PRIMARY KEY CHECK (length(key) BETWEEN 1 AND 255),
  fingerprint bytea NOT NULL,
  resource_id uuid NOT NULL,
  response_status integer NOT NULL,
  response_body text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX idempotency_age ON ledger.idempotency (created_at);

CREATE FUNCTION ledger.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'ledger.% is immutable: % is refused', TG_TABLE_NAME, TG_OP
    USING ERRCODE = 'integrity_constraint_violation', HINT = 'Post a reversal instead.';
END $$;
CREATE TRIGGER transfers_immutable BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.transfers
  FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();
CREATE TRIGGER entries_immutable BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.entries
  FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();
CREATE TRIGGER accounts_stay BEFORE DELETE OR TRUNCATE ON ledger.accounts
  FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();
CREATE TRIGGER holds_stay BEFORE DELETE OR TRUNCATE ON ledger.holds
  FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();

CREATE FUNCTION ledger.keep_resolved_holds() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'hold % is % already', OLD.transfer_id, OLD.state
    USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER holds_resolved_once BEFORE UPDATE ON ledger.holds
  FOR EACH ROW WHEN (OLD.state <> 'pending') EXECUTE FUNCTION ledger.keep_resolved_holds();

-- Runs once per INSERT of entries, with the rights of the owner, so that the service's role needs no right
-- to write balances. Plans are made anew for each call: one made on the empty tables of a new tenant would
-- scan them whole for ever.
CREATE FUNCTION ledger.apply_entries() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_custom_plan AS $$
DECLARE
  wrong uuid;
  touched bigint;
  moved bigint;
  closed bigint;
  over_daily_limit uuid;
BEGIN
  SELECT e.transfer_id INTO wrong
  FROM (
    SELECT n.transfer_id, count(*) AS lines, max(n.leg) AS last_leg,
      sum(CASE n.direction WHEN 'debit' THEN n.amount_minor ELSE -n.amount_minor END)
        FILTER (WHERE n.phase = 'posted') AS posted,
      sum(CASE n.direction WHEN 'debit' THEN n.amount_minor ELSE -n.amount_minor END)
        FILTER (WHERE n.phase = 'pending') AS pending,
      sum(CASE n.direction WHEN 'debit' THEN n.amount_minor ELSE -n.amount_minor END)
        FILTER (WHERE n.phase = 'released') AS released,
      bool_and(a.currency IS NOT DISTINCT FROM t.currency AND n.created_at = t.created_at) AS agrees,
      min(t.line_count) AS line_count
    FROM inserted n
    LEFT JOIN ledger.transfers t ON t.id = n.transfer_id
    LEFT JOIN ledger.accounts a ON a.id = n.account_id
    GROUP BY n.transfer_id
  ) e
  WHERE e.posted <> 0 OR e.pending <> 0 OR e.released <> 0
    OR e.line_count IS DISTINCT FROM e.lines OR e.last_leg <> e.lines - 1 OR e.agrees IS NOT TRUE
  LIMIT 1;
  IF wrong IS NOT NULL THEN
    RAISE EXCEPTION 'the entries of transfer % do not balance or are not complete', wrong
      USING ERRCODE = 'check_violation', CONSTRAINT = 'entries_balanced';
  END IF;

  WITH lines AS (
    SELECT n.*, max(n.limit_day) OVER (PARTITION BY n.account_id) AS latest_day FROM inserted n
  ), deltas AS (
    SELECT account_id, count(*) AS lines, min(account_version) AS first, max(account_version) AS last,
      coalesce(sum(amount_minor) FILTER (WHERE phase = 'posted' AND direction = 'debit'), 0) AS posted_debits,
      coalesce(sum(amount_minor) FILTER (WHERE phase = 'posted' AND direction = 'credit'), 0) AS posted_credits,
      coalesce(sum(CASE phase WHEN 'pending' THEN amount_minor WHEN 'released' THEN -amount_minor END)
        FILTER (WHERE direction = 'debit'), 0) AS pending_debits,
      coalesce(sum(CASE phase WHEN 'pending' THEN amount_minor WHEN 'released' THEN -amount_minor END)
        FILTER (WHERE direction = 'credit'), 0) AS pending_credits,
      max(limit_day) AS day,
      coalesce(sum(CASE phase WHEN 'released' THEN -amount_minor ELSE amount_minor END)
        FILTER (WHERE limit_day = latest_day), 0) AS out_minor
    FROM lines GROUP BY account_id
  ), updated AS (
    UPDATE ledger.accounts a SET
      posted_debits = a.posted_debits + d.posted_debits,
      posted_credits = a.posted_credits + d.posted_credits,
      pending_debits = a.pending_debits + d.pending_debits,
      pending_credits = a.pending_credits + d.pending_credits,
      version = d.last,
      limit_day = greatest(a.limit_day, d.day),
      limit_day_out_minor = CASE
        WHEN d.day IS NULL OR d.day < a.limit_day THEN a.limit_day_out_minor
        WHEN d.day = a.limit_day THEN a.limit_day_out_minor + d.out_minor
        ELSE d.out_minor END
    FROM deltas d
    WHERE a.id = d.account_id AND d.first = a.version + 1 AND d.last = a.version + d.lines
    RETURNING a.id, a.status, d.out_minor > 0 AND d.day = a.limit_day
      AND a.limit_day_out_minor > a.daily_limit_minor AS over
  )
  SELECT (SELECT count(*) FROM deltas), count(*), count(*) FILTER (WHERE u.status = 'closed'),
    (array_agg(u.id) FILTER (WHERE u.over))[1]
  INTO touched, moved, closed, over_daily_limit
  FROM updated u;
  IF moved <> touched THEN
    RAISE EXCEPTION 'entries do not follow the latest ones of their accounts'
      USING ERRCODE = 'serialization_failure';
  END IF;
  IF closed > 0 THEN
    RAISE EXCEPTION 'a closed account takes no entries'
      USING ERRCODE = 'check_violation', CONSTRAINT = 'entries_not_on_closed';
  END IF;
  IF over_daily_limit IS NOT NULL THEN
    RAISE EXCEPTION 'account % would exceed its daily limit', over_daily_limit
      USING ERRCODE = 'check_violation', CONSTRAINT = 'accounts_within_daily_limit';
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER entries_apply AFTER INSERT ON ledger.entries
  REFERENCING NEW TABLE AS inserted FOR EACH STATEMENT EXECUTE FUNCTION ledger.apply_entries();

-- The version of an account's latest entry before an instant (0: none). An account's entries are numbered
-- without gaps and in the order of time, so that halving finds it with some twenty index look-ups.
CREATE FUNCTION ledger.version_before(account uuid, instant timestamptz) RETURNS bigint LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  low bigint := 0;
  high bigint;
  middle bigint;
BEGIN
  SELECT a.version INTO high FROM ledger.accounts a WHERE a.id = account;
  WHILE low < high LOOP
    middle := (low + high + 1) / 2;
    IF (SELECT e.created_at < instant FROM ledger.entries e
        WHERE e.account_id = account AND e.account_version = middle) THEN
      low := middle;
    ELSE
      high := middle - 1;
    END IF;
  END LOOP;
  RETURN low;
END $$;

GRANT USAGE ON SCHEMA ledger TO bezant_ledger;
REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA ledger FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ledger.version_before TO bezant_ledger;
GRANT SELECT, INSERT (id, account_type, currency, normal_side, overdraft_limit_minor, daily_limit_minor),
  UPDATE (status, overdraft_limit_minor, daily_limit_minor, policy_revision, policy_refusal) ON ledger.accounts TO bezant_ledger;
GRANT SELECT, INSERT ON ledger.transfers, ledger.entries, ledger.holds TO bezant_ledger;
GRANT UPDATE (state, posted_amount_minor, resolved_by) ON ledger.holds TO bezant_ledger;
GRANT SELECT, INSERT, DELETE ON ledger.idempotency TO bezant_ledger;
