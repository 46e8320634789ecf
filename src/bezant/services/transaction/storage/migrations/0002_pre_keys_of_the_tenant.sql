-- Keys that were used before the tenant's services shared the list of them (idempotency.keys).
INSERT INTO idempotency.keys (key, owner) SELECT key, 'ledger' FROM ledger.idempotency ON CONFLICT (key) DO NOTHING;
