"""Any bytes at all: for each place where bytes of strangers are read, a target that must never fail."""
