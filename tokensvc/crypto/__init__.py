"""Keys at work: wrapping at rest, signing and verifying access tokens, authenticating refresh tokens."""
