"""Load for measurements: many tenants, closed or open loop, and what became of every payment."""
