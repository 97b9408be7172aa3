"""The client library of tokensvc. The stubs are in `tokensvc_pb`."""
