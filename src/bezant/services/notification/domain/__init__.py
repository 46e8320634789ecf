"""Schedules, signatures, targets and filters of webhooks: pure, no I/O."""
