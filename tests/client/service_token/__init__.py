"""A service's own token."""
