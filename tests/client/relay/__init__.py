"""The relay of refreshes."""
