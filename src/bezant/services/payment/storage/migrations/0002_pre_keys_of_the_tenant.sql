-- Keys that were used before the tenant's services shared the list of them (idempotency.keys).
INSERT INTO idempotency.keys (key, owner) SELECT key, 'payment' FROM payment.idempotency ON CONFLICT (key) DO NOTHING;
