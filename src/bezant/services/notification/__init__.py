"""Notification: tells a tenant's own systems what happened, by signed webhooks.

Owns: webhook endpoints and their secrets, messages (numbered without gaps per endpoint), deliveries and their
attempts.
Promises: every event that an endpoint asked for is enqueued once with the next sequence number of that
endpoint, and delivered at least once, with the schedule and signatures of the Standard Webhooks specification
(https://www.standardwebhooks.com); a slow or dead endpoint holds up nobody else. Deliveries may overtake each
other; ``bezant-sequence`` tells a receiver.
Publishes nothing.
"""
