"""Autoscaling: the algorithms of Kubernetes over the loads that the model tells of, and at real replicas."""
