"""The control database: tenants and where they live, API keys, the fleet's leases, due work, parked events.

The tenant service owns its content; every service reads the registry and keeps its own leases and hints here.
No money is in it.
"""
