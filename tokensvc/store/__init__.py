"""Where sessions, clients, keys and the revocation log live: SQL databases, and memory for tests."""
