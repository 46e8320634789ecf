"""Promises that every service shares, one subpackage each: nothing here knows a single service.

A subpackage enters when two services use it. Services import foundation, never the other way round
(held by import-linter, see `pyproject.toml`).
"""
