"""Fraud detection: judges every payment before money moves.

Owns: assessments (immutable, one per payment), velocity counters (Valkey), rule sets and their history, cases.
Promises: approve / review / decline with reasons, in milliseconds; the same payment asked twice gets the same
answer and is counted once; a rule set is validated before it can judge anything.
Publishes on ``fraud.events``: ``fraud.assessed``, ``fraud.case_opened``, ``fraud.case_decided``.
"""
