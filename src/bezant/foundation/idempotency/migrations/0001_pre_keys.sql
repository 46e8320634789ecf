-- One Idempotency-Key names one request of the tenant, whichever service it went to.
--
-- Each service keeps the record of a key in its own schema, with the answer. Here stands only whose a key is, so that
-- the second service that is sent it refuses it. A row is written in the transaction that writes the record, and in one
-- statement with it: it costs no transaction and no call. This is the only table that services of a tenant share.
CREATE SCHEMA IF NOT EXISTS idempotency;

CREATE TABLE idempotency.keys (
  key text PRIMARY KEY,
  owner text NOT NULL CHECK (owner IN ('account', 'ledger', 'payment'))
);

GRANT USAGE ON SCHEMA idempotency TO bezant_account, bezant_ledger, bezant_payment;
GRANT SELECT, INSERT, UPDATE (owner), DELETE ON idempotency.keys TO bezant_account, bezant_ledger, bezant_payment;

-- What is known of one key, whosever it is. The payment service answers GET /v1/idempotency and may read no other
-- service's tables: this function is its one way to their records, a key at a time.
CREATE FUNCTION idempotency.record_of(wanted text)
RETURNS TABLE (owner text, resource_id uuid, response_status integer, response_body text, created_at timestamptz)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
#variable_conflict use_column
BEGIN
  RETURN QUERY
    SELECT 'payment', p.resource_id, p.response_status, p.response_body, p.created_at
    FROM payment.idempotency p WHERE p.key = wanted
    UNION ALL
    SELECT 'account', a.resource_id, a.response_status, a.response_body, a.created_at
    FROM account.idempotency a WHERE a.key = wanted
    UNION ALL
    SELECT 'ledger', l.resource_id, l.response_status, l.response_body, l.created_at
    FROM ledger.idempotency l WHERE l.key = wanted;
END
$$;
REVOKE ALL ON FUNCTION idempotency.record_of(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION idempotency.record_of(text) TO bezant_payment;
