"""Does every pod find a node? Allocatable resources, pods, and a model of the Kubernetes scheduler."""
