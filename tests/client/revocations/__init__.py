"""Following revocations."""
