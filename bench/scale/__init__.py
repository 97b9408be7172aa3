"""Measures what the size of the sessions table costs, on PostgreSQL."""
