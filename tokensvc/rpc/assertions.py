"""Owns the assertions that callers present: each is redeemed once, and then stands for the connection it came by."""

import asyncio
import hashlib
from collections import OrderedDict
from typing import Final

from tokensvc.domain.client import Client
from tokensvc.domain.errors import unauthenticated
from tokensvc.domain.view import View
from tokensvc.services.client_assertions import Admit, Redeemed, Redemption
from tokensvc.sharing import share, share_error

_MOST_CLIENTS: Final = 1024
_MOST_OF_A_CLIENT: Final = 256

Place = bytes
"""An assertion on a connection, as a digest of both: neither is kept in clear."""


def place_of(assertion: str, peer: str) -> Place:
    """The place of an `assertion` that comes by the connection of `peer`: an address and a port."""
    return hashlib.sha256(f"{peer}\0{assertion}".encode("utf-8", "surrogatepass")).digest()


class Assertions:
    """Redeems assertions, and remembers them where they were.

    A caller may keep its assertion and send it with many calls, on the connection that it was redeemed on, until it
    expires or its client changes. Who presents it anywhere else, such as a thief, has what was used already. Each
    client has places of its own, and gives up the one that was used longest ago; so do the clients.
    """

    def __init__(self, redemption: Redemption) -> None:
        self._redemption = redemption
        self._redeemed: dict[Place, Redeemed] = {}
        self._places: OrderedDict[str, OrderedDict[Place, None]] = OrderedDict()  # by the client
        self._waiting: dict[Place, list[asyncio.Future[Client]]] = {}
        self._redeeming: set[asyncio.Task[None]] = set()

    def claimed_client(self, assertion: str) -> str:
        """The client that an assertion says it is from, right or wrong; empty if that cannot be understood."""
        return self._redemption.claimed_client(assertion)

    def known(self, place: Place, view: View, now: int) -> Client | None:
        """The client that was recognised there, if it is as it was; None if there is nothing that still stands."""
        redeemed = self._redeemed.get(place)
        if redeemed is None:
            return None
        client_id = redeemed.client.client_id
        client = view.clients.get(client_id)
        if now >= redeemed.good_until or (client and _has_changed(redeemed.client, client)):
            self._forget(place)
            return None
        if client is not redeemed.client and client != redeemed.client:
            return None  # the view is older than the client is, and says nothing of it
        self._places[client_id].move_to_end(place)
        self._places.move_to_end(client_id)
        return client

    async def redeem(self, assertion: str, place: Place, view: View, now: int, admit: Admit) -> Client:
        """Answer whom the `assertion` is from, when it is redeemed; refuse with CALLER_UNAUTHENTICATED if it is not.

        A client that `admit` refuses has not used it. Calls that bring it together share what comes of it. It goes on
        when they go away: others may come.
        """
        if client := self.known(place, view, now):  # since a call asked for it that came with this one
            return client
        future: asyncio.Future[Client] = asyncio.get_running_loop().create_future()
        if place in self._waiting:
            self._waiting[place].append(future)
        else:
            self._waiting[place] = [future]
            redeeming = asyncio.create_task(self._redeem(assertion, place, view, admit))
            self._redeeming.add(redeeming)
            redeeming.add_done_callback(self._redeeming.discard)
        client = await future
        if view.clients.get(client.client_id) != client:  # this call may have come when the client had changed already
            raise unauthenticated()
        return client

    async def _redeem(self, assertion: str, place: Place, view: View, admit: Admit) -> None:
        try:
            redeemed = await self._redemption.redeem(assertion, view, admit)
        except Exception as error:  # noqa: BLE001 - what it is concerns the callers
            share_error(self._waiting.pop(place), error)
        else:
            self._remember(place, redeemed)
            share(self._waiting.pop(place), redeemed.client)

    def _remember(self, place: Place, redeemed: Redeemed) -> None:
        client_id = redeemed.client.client_id
        self._redeemed[place] = redeemed
        places = self._places.setdefault(client_id, OrderedDict())
        places[place] = None
        self._places.move_to_end(client_id)
        if len(places) > _MOST_OF_A_CLIENT:
            self._forget(next(iter(places)))
        if len(self._places) > _MOST_CLIENTS:
            for other in list(next(iter(self._places.values()))):
                self._forget(other)

    def _forget(self, place: Place) -> None:
        client_id = self._redeemed.pop(place).client.client_id
        del self._places[client_id][place]
        if not self._places[client_id]:
            del self._places[client_id]


def _has_changed(before: Client, client: Client) -> bool:
    """Whether `client` is what became of it. Views have objects of their own: what differs in nothing is the same."""
    return client is not before and client != before and client.updated_at >= before.updated_at
