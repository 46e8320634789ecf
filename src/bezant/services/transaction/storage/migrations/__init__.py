"""Migrations of the schema `ledger`."""
