"""Owns all methods of all services together."""

from tokensvc_client.caller import Caller
from tokensvc_client.calls.audit import AuditCalls
from tokensvc_client.calls.clients import ClientCalls
from tokensvc_client.calls.keys import KeyCalls
from tokensvc_client.calls.sessions import SessionCalls
from tokensvc_client.calls.tokens import TokenCalls
from tokensvc_client.introspector import Introspector


class Calls(TokenCalls, SessionCalls, KeyCalls, ClientCalls, AuditCalls):
    """Every method of the service."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self._introspector = Introspector(caller)
