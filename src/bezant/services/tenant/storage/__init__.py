"""SQL of the tenant service, on the control database."""
