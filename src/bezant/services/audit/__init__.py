"""Audit: an append-only, per-tenant log of everything that happened, which an outsider can verify.

Owns: entries (one leaf per event), the Merkle tree over them (RFC 6962), signed tree heads, and the personal
values that the leaves only commit to.
Promises: every event becomes exactly one leaf; entries never change; anyone who kept an earlier tree head can
prove that nothing before it was altered; personal values can be erased without breaking a proof.
Publishes nothing.
"""
