"""What the client library costs, and how soon a verifier knows of a revocation."""
