"""Owns what a refresh is: what was presented, by whom, when and from where."""

from collections.abc import Mapping
from dataclasses import field

from tokensvc.domain.client import Client
from tokensvc.domain.possession import NOTHING, Possession
from tokensvc.domain.refresh_token import RefreshToken
from tokensvc.domain.session import ClientContext
from tokensvc.domain.traces import Place
from tokensvc.domain.value import value


@value(frozen=True, slots=True)
class RefreshAttempt:
    """A Refresh whose token is genuine. Empty values were not given.

    `issuer` is the audience of clients whose policy names none; `flags` are the subjects that are marked as
    at risk, each with the moment when that ends.
    """

    token: RefreshToken
    caller: Client
    now: int
    client_id: str = ""
    scopes: tuple[str, ...] = ()
    audiences: tuple[str, ...] = ()
    device_id: str = ""
    credential_version: str = field(default="", repr=False)
    context: ClientContext = ClientContext()
    issuer: str = ""
    flags: Mapping[str, int] = field(default_factory=dict)
    possession: Possession = NOTHING

    @property
    def place(self) -> Place:
        """Where it came from."""
        return Place(self.token.handle, self.context)
