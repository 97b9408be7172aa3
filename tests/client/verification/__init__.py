"""Local verification."""
