"""A small company in which tokens are traded: two apps, the orders service, the ledger behind it, a bot.

`app` and `web` issue tokens for the audience `orders`. The service `orders` trades them for tokens for `ledger`, which
trades those on, for `mail` or back. `bot` has tokens of its own, and lets others act in its name by handing them out.
"""

from dataclasses import dataclass
from typing import Any

from tests.harness import Caller, Service, policy_of
from tests.rpc.steps import exchange, issue
from tokensvc.domain.client import Permission
from tokensvc.domain.policy import HOUR, ExchangePolicy

FOR_ORDERS = policy_of(audiences=("orders",))


def policy_for(*audiences: str, clients: tuple[str, ...] = ("*",), scopes: tuple[str, ...] = ()) -> ExchangePolicy:
    """What a service may trade: tokens of `clients` for `audiences`."""
    return ExchangePolicy(frozenset(clients), frozenset(audiences), frozenset(scopes))


@dataclass
class Company:
    """Its callers."""

    app: Caller
    web: Caller
    orders: Caller
    ledger: Caller
    bot: Caller

    async def token(self, subject: str = "ada", **fields: Any) -> str:
        """An access token of the app for the orders service."""
        return (await issue(self.app, subject, **fields)).access_token

    async def bot_token(self, **fields: Any) -> str:
        """An access token of the bot, for whom it wants to let act in its name."""
        return (await issue(self.bot, "bot", access_only=True, **fields)).access_token

    async def chain(self, token: str, times: int) -> str:
        """The token traded so often, by `orders` and `ledger` in turn."""
        for number in range(times):
            caller, audience = ((self.orders, "ledger"), (self.ledger, "orders"))[number % 2]
            token = (await exchange(caller, token, audience)).access_token
        return token


async def service_of(service: Service, name: str, *audiences: str, **fields: Any) -> Caller:
    """A service that answers for the audience of its name, and may trade any token for `audiences`."""
    fields = {"exchange_policy": policy_for(*audiences), "policy": policy_of(access_ttl=HOUR), **fields}
    return await service.caller(name, **{"audiences": frozenset({name}), "acts_for": frozenset(), **fields})


async def founded(service: Service) -> Company:
    """Register all of them."""
    app, web = [await service.caller(name, audiences=frozenset(), policy=FOR_ORDERS) for name in ("app", "web")]
    bot = await service.caller("bot", acts_for=frozenset(), policy=policy_of(audiences=("orders", "ledger")))
    orders = await service_of(service, "orders", "ledger")
    ledger = await service_of(service, "ledger", "mail", "orders")
    return Company(app, web, orders, ledger, bot)


READER: dict[str, Any] = {"permissions": frozenset({Permission.INTROSPECT}), "acts_for": frozenset({"*"})}
"""A client that sees every token."""
