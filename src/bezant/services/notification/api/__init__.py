"""The HTTP interface of the notification service."""
