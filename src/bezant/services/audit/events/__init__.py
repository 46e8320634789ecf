"""What the audit service consumes: everything."""
