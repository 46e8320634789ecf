"""PostgreSQL statements of the notification service."""
