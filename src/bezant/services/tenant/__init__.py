"""Tenant registration: the registry of tenants, their API keys, and the sagas that change them.

Owns the control database. Promises that a tenant is active only when the fleet is ready for it, that each step
of onboarding, rotation and offboarding is resumable, idempotent and compensated, and that the same request
twice gives one tenant. Publishes `tenant.created` on the topic of that name and everything else that happens
to a tenant (`tenant.activated`, `tenant.suspended`, ...) on `tenant.changed`.
"""
