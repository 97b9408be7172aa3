"""Proves the guarantees from recorded histories: clients in several processes, several nodes, and faults."""
