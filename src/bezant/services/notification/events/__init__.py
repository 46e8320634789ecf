"""What the notification service consumes."""
