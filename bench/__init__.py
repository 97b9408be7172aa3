"""Measures the service: server CPU per RPC, beside an empty RPC on the same server in the same run."""
