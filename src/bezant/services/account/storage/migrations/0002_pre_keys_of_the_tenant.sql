-- Keys that were used before the tenant's services shared the list of them (idempotency.keys).
INSERT INTO idempotency.keys (key, owner) SELECT key, 'account' FROM account.idempotency ON CONFLICT (key) DO NOTHING;
