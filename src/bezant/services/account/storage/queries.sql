-- name: insert_opening
-- Note an account that the ledger is about to be asked to open.
INSERT INTO account.accounts (id, name, account_type, currency, status, overdraft_limit_minor, daily_limit_minor,
  metadata, created_by, created_at, updated_at, unfinished_since)
VALUES (%(id)s, %(name)s, %(account_type)s, %(currency)s, 'opening', %(overdraft_limit_minor)s,
  %(daily_limit_minor)s, %(metadata)s::jsonb, %(created_by)s, %(now)s, %(now)s, clock_timestamp())

-- name: account
-- One account, shown or not.
SELECT id, name, account_type, currency, status, overdraft_limit_minor, daily_limit_minor, metadata, revision,
  change, created_by, created_at, updated_at
FROM account.accounts WHERE id = %(id)s

-- name: lock_account
-- One account, locked until the end of the transaction.
SELECT id, name, account_type, currency, status, overdraft_limit_minor, daily_limit_minor, metadata, revision,
  change, created_by, created_at, updated_at
FROM account.accounts WHERE id = %(id)s FOR UPDATE

-- name: accounts_page
-- Accounts, the latest first, before an id. An account that is still being opened is not shown.
SELECT id, name, account_type, currency, status, overdraft_limit_minor, daily_limit_minor, metadata, revision,
  change, created_by, created_at, updated_at
FROM account.accounts
WHERE status <> 'opening' AND id < %(before)s
  AND (%(account_type)s::text IS NULL OR account_type = %(account_type)s::text)
  AND (%(status)s::text IS NULL OR status = %(status)s::text)
  AND (%(currency)s::text IS NULL OR currency = %(currency)s::text)
ORDER BY id DESC LIMIT %(limit)s

-- name: finish_opening
-- Show an account that the ledger has opened; no row when somebody else has done so.
UPDATE account.accounts SET status = 'open', unfinished_since = NULL, updated_at = clock_timestamp()
WHERE id = %(id)s AND status = 'opening'
RETURNING id, name, account_type, currency, status, overdraft_limit_minor, daily_limit_minor, metadata, revision,
  change, created_by, created_at, updated_at

-- name: abandon_opening
-- Drop an account that the ledger has refused to open.
DELETE FROM account.accounts WHERE id = %(id)s AND status = 'opening'

-- name: begin_change
-- Note what the ledger is about to be asked to change.
UPDATE account.accounts SET revision = %(revision)s, change = %(change)s::jsonb, unfinished_since = clock_timestamp()
WHERE id = %(id)s

-- name: finish_change
-- Show a change that the ledger has made; no row when somebody else has done so.
UPDATE account.accounts SET status = %(status)s, overdraft_limit_minor = %(overdraft_limit_minor)s,
  daily_limit_minor = %(daily_limit_minor)s, change = NULL, unfinished_since = NULL, updated_at = clock_timestamp()
WHERE id = %(id)s AND revision = %(revision)s AND change IS NOT NULL
RETURNING id, name, account_type, currency, status, overdraft_limit_minor, daily_limit_minor, metadata, revision,
  change, created_by, created_at, updated_at

-- name: abandon_change
-- Forget a change that the ledger has refused.
UPDATE account.accounts SET change = NULL, unfinished_since = NULL WHERE id = %(id)s AND revision = %(revision)s

-- name: describe_account
-- Change what an account is called and what its owner attached to it.
UPDATE account.accounts SET name = coalesce(%(name)s, name), metadata = coalesce(%(metadata)s::jsonb, metadata),
  updated_at = clock_timestamp()
WHERE id = %(id)s AND status <> 'opening'
RETURNING id, name, account_type, currency, status, overdraft_limit_minor, daily_limit_minor, metadata, revision,
  change, created_by, created_at, updated_at

-- name: unfinished
-- Accounts whose opening or change was left unfinished for some seconds, the longest first.
SELECT id, status = 'opening' FROM account.accounts
WHERE unfinished_since < now() - make_interval(secs => %(older_than_seconds)s)
ORDER BY unfinished_since LIMIT 100

-- name: any_unfinished
-- Whether anything is unfinished.
SELECT min(unfinished_since) IS NOT NULL FROM account.accounts WHERE unfinished_since IS NOT NULL

-- name: answer_opening
-- Store the answer for the key with which an account was opened.
UPDATE account.idempotency SET response_status = %(status)s, response_body = %(body)s
WHERE resource_id = %(id)s AND response_status IS NULL

-- name: answer_of
-- The answer that was given to the request that opened an account.
SELECT response_status, response_body FROM account.idempotency
WHERE resource_id = %(id)s AND response_status IS NOT NULL
