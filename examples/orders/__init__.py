"""An internal gRPC service that is guarded by tokens, and another service that calls it."""
