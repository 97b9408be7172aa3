"""Refreshes that a backend relays for its apps: one call for all who ask at once, and what follows if it fails."""

from tokensvc_client.relay.actions import Action, RefreshRefusedError
from tokensvc_client.relay.relay import AsyncRefreshRelay, RefreshRelay

__all__ = ["Action", "AsyncRefreshRelay", "RefreshRefusedError", "RefreshRelay"]
