"""The use cases, one class each: they check requests, ask the domain to decide, and know nothing of gRPC or SQL."""
