"""Rehearsals: the operational promises of the deployment model, tried before a cluster is paid for."""
