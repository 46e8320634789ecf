"""`bezant demo`: three tenants that look like real life, played from a data file and checked against it."""
