"""`make example-orders`: the orders service beside a token service of its own, and what to type next."""

import asyncio

from tokensvc_client import Client, ClientType, Permission, TokenPolicy

from examples.orders.service import AUDIENCE, serving
from examples.stage import ISSUER, Stage, say, set_up, until_interrupted

LINES = """
. LOGIN
issued=$(tokensvc token issue --subject ada --for-client shop-app --device-id phone-1)
token=$(echo "$issued" | awk '/^access_token:/ {print $2}')
orders() { grpcurl -plaintext -H "authorization: Bearer $token" -d "$2" ADDRESS "shop.v1.Orders/$1"; }
orders PlaceOrder '{"item": "tea"}'
orders ListOrders '{}'
orders CountItems '{}' || echo 'refused: the token lacks a scope'
(. REPORT && python -m examples.orders.client ADDRESS)
echo "$token" | tokensvc token revoke -
sleep 1  # more than it takes until the orders service is told
orders ListOrders '{}' || echo 'refused: the token was revoked'
grpcurl -plaintext ADDRESS shop.v1.Orders/ListOrders || echo 'refused: there is no token'
grpcurl -plaintext ADDRESS grpc.health.v1.Health/Check
"""


def main() -> None:
    """Run until Ctrl-C."""
    with set_up() as stage:
        asyncio.run(run(stage))


async def run(stage: Stage) -> None:
    """Register who takes part, and serve."""
    scopes = ("orders.read", "orders.write")
    app = Client("shop-app", type=ClientType.PUBLIC, token_policy=TokenPolicy(scopes=scopes, audiences=(AUDIENCE,)))
    stage.register(app)
    login = stage.register(
        Client("shop-login", permissions=(Permission.ISSUE, Permission.REVOKE), acts_for=("shop-app",))
    )
    policy = TokenPolicy(scopes=("orders.report",), audiences=(AUDIENCE,))
    report = stage.register(Client("report", permissions=(Permission.ISSUE,), token_policy=policy))
    itself = stage.register(Client("orders", permissions=(Permission.WATCH,)))
    async with serving(stage.address, ISSUER, itself) as orders:
        lines = LINES.replace("LOGIN", stage.shell(login)).replace("REPORT", stage.shell(report))
        say(
            f"The orders service is on {orders}. In another terminal, in this directory:",
            lines.replace("ADDRESS", orders),
        )
        await until_interrupted()


if __name__ == "__main__":
    main()
