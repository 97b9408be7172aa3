"""Guards of services."""
