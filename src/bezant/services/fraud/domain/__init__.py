"""Fraud rules, velocity and scoring: pure, no I/O."""
