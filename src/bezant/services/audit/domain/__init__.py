"""Canonical leaves, Merkle trees, commitments and tree heads: pure, no I/O."""
