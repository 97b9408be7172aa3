"""A token service over gRPC: issue, refresh, revoke and introspect."""

__version__ = "0.1.0"
