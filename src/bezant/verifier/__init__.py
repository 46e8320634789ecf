"""The stand-alone verifier of audit logs: one file that imports nothing of Bezant and needs only Python."""
