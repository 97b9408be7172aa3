"""The use cases on a store, called directly: no gRPC, no settings, no process."""

from typing import Any

from tests.fakes import FakeClock, FakeRandomness
from tests.harness import ISSUER, policy_of
from tokensvc.crypto.client_assertions import algorithms_of
from tokensvc.crypto.dpop_proofs import read_proof
from tokensvc.crypto.key_making import KeyMaker
from tokensvc.crypto.live_keys import LiveKeys
from tokensvc.crypto.root_keys import RootKey
from tokensvc.crypto.wrapping import Wrapper
from tokensvc.domain.client import Client, Permission
from tokensvc.domain.keys import RootKeyError, StoredKey
from tokensvc.domain.policy import TokenPolicy
from tokensvc.ports import Store
from tokensvc.services.call import Call
from tokensvc.services.clients import OPERATOR, Clients
from tokensvc.services.exchange import ExchangeOrder, ExchangeTokens
from tokensvc.services.introspect import ANY_PURPOSE, Active, IntrospectTokens, Purpose
from tokensvc.services.issue import IssueOrder, IssueTokens
from tokensvc.services.proofs import Proofs
from tokensvc.services.refresh import RefreshOrder, RefreshTokensOfSession
from tokensvc.services.revoke import RevokeTokens, Target
from tokensvc.services.token_set import AccessTokenMinter, TokenSet

CALLER_PERMISSIONS = frozenset(Permission) - {Permission.ADMIN}


def new_keys(now: int = 0) -> LiveKeys:
    """The keys of a new installation, without a database."""
    wrapper = Wrapper(RootKey(bytes(32)))
    maker = KeyMaker(wrapper, FakeRandomness("keys"))

    def complain(key: StoredKey, error: RootKeyError) -> None:
        raise AssertionError(key.key_id) from error

    return LiveKeys(maker.first_keys(now), maker, ISSUER, verified_tokens=1, complain=complain)


class UseCases:
    """Every use case, and shorthands that make the call for a client by its id."""

    def __init__(self, store: Store, clock: FakeClock, keys: LiveKeys, seed: str = "") -> None:
        randomness = FakeRandomness(seed)
        minter = AccessTokenMinter(keys.access_tokens, randomness, ISSUER)
        self.store = store
        proofs = Proofs(store, read_proof, clock, None)
        self.clients = Clients(store, clock, randomness, algorithms_of)
        self.issuing = IssueTokens(store, minter, keys.refresh_tokens, clock, randomness, ISSUER)
        self.refreshing = RefreshTokensOfSession(store, minter, keys.refresh_tokens, proofs, clock, ISSUER)
        self.revoking = RevokeTokens(store, keys.access_tokens, keys.refresh_tokens, clock)
        self.exchanging = ExchangeTokens(store, keys.access_tokens, clock, randomness)
        self.introspecting = IntrospectTokens(store, keys.access_tokens, keys.refresh_tokens, proofs, clock, ISSUER)

    async def register(self, client_id: str, *, policy: TokenPolicy | None = None, **fields: Any) -> str:
        """Register a confidential client that may call everything; answer its secret."""
        fields = {"permissions": CALLER_PERMISSIONS, **fields}
        client = Client(client_id, policy=policy or policy_of(), **fields)
        return (await self.clients.create(client, confidential=True, caller=OPERATOR))[1]

    async def register_public(self, client_id: str, policy: TokenPolicy | None = None) -> None:
        """Register a client that cannot call."""
        await self.clients.create(Client(client_id, policy=policy or policy_of()), confidential=False, caller=OPERATOR)

    async def call(self, client_id: str) -> Call:
        """A call that arrives now from an authenticated `client_id`."""
        view = await self.store.view()
        return Call(view.clients[client_id], view, view.revision)

    async def issue(self, caller: str, **order: Any) -> TokenSet:
        """Issue by `caller`."""
        return await self.issuing.issue(await self.call(caller), IssueOrder(**order))

    async def refresh(self, caller: str, refresh_token: str, **order: Any) -> TokenSet:
        """Refresh by `caller`."""
        return await self.refreshing.refresh(await self.call(caller), RefreshOrder(refresh_token, **order))

    async def revoke(self, caller: str, target: Target, issued_before: int | None = None) -> int:
        """Revoke by `caller`; answer the revision."""
        return await self.revoking.revoke(await self.call(caller), target, "test", issued_before)

    async def introspect(self, caller: str, token: str, **query: Any) -> Active | None:
        """Introspect by `caller`; None if inactive."""
        purpose = Purpose(**query) if query else ANY_PURPOSE
        active, _ = await self.introspecting.introspect(await self.call(caller), token, purpose)
        return active

    async def exchange(self, caller: str, subject_token: str, *audiences: str, **order: Any) -> TokenSet:
        """Exchange by `caller`."""
        order_of_all = ExchangeOrder(subject_token, audiences=audiences, **order)
        return await self.exchanging.exchange(await self.call(caller), order_of_all)

    async def introspect_all(self, caller: str, tokens: list[str]) -> list[Active | None]:
        """BatchIntrospect by `caller`."""
        return (await self.introspecting.introspect_all(await self.call(caller), tokens))[0]
