"""Where tenant databases come from. One provisioner for each way of having PostgreSQL."""
