"""The accounts' routes."""
