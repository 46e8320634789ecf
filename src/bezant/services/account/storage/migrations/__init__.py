"""Migrations of the schema `account`."""
