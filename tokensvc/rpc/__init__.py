"""The gRPC side: protobuf to domain and back, callers, errors, and the server's life."""
