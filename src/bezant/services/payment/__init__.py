"""Payments: their lifecycle and their idempotency.

Owns payments, captures, voids and refunds. Promises exactly one effect for each idempotency key, whatever
crashes: a payment is written as `processing` before anything else happens, the fraud and ledger services are
asked by ids that make every question repeatable, and a resolver carries on what a crash left. Publishes
`payment.*` on `payment.events`; consumes `fraud.case_decided`.
"""
