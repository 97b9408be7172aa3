"""Owns redeeming assertions: a client that calls by one is recognised once by it, of all nodes and for all time."""

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from tokensvc.domain.client import Client
from tokensvc.domain.effects import Effects
from tokensvc.domain.errors import unauthenticated
from tokensvc.domain.value import value
from tokensvc.domain.view import View
from tokensvc.ports import ClientAssertions, Clock, Rows, Store, Unit

_MOST_USED: Final = 4096

Admit = Callable[[Client], None]
"""Refuses a client that may not call just now."""


@value(frozen=True, slots=True)
class Redeemed:
    """The client that an assertion was redeemed for, and until when that stands (milliseconds)."""

    client: Client
    good_until: int


class Redemption:
    """The use case of an assertion that is presented for the first time."""

    def __init__(self, store: Store, assertions: ClientAssertions, clock: Clock) -> None:
        self._store = store
        self._assertions = assertions
        self._clock = clock
        self._used: OrderedDict[bytes, int] = OrderedDict()  # digests of what was found used, and until when it matters

    def claimed_client(self, text: str) -> str:
        """The client that an assertion says it is from, right or wrong; empty if that cannot be understood."""
        return self._assertions.claimed_client(text)

    async def redeem(self, text: str, view: View, admit: Admit) -> Redeemed:
        """Answer for whom the assertion is good, when it is durable that it was used.

        Refuses with CALLER_UNAUTHENTICATED, whatever is wrong with it, and so if it was used before: who presents one
        again and again costs a look into memory. A client that `admit` refuses keeps its assertion.
        """
        digest, now = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest(), self._clock()
        if now < self._used.get(digest, 0):
            raise unauthenticated()
        assertion = self._assertions.verify(text, view.directory, now)
        if assertion is None:
            raise unauthenticated()
        admit(view.clients[assertion.client_id])
        client, used_id = view.clients[assertion.client_id], assertion.used_id

        def decide(rows: Rows) -> Effects[bool]:
            return Effects(rows.is_first_use(used_id))

        if not (await self._store.commit(Unit(decide, used_id=used_id))).outcome:
            self._used[digest] = assertion.good_until
            if len(self._used) > _MOST_USED:
                self._used.popitem(last=False)
            raise unauthenticated()
        return Redeemed(client, assertion.good_until)
