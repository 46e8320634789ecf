"""Faults, really inflicted on a platform under load."""
