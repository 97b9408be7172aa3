"""`make example-operator`: a token service with some sessions, and what to type next."""

import asyncio

from tokensvc_client import Client, ClientType, Device, Permission, TokenClient

from examples.stage import Stage, say, set_up, until_interrupted

PERMISSIONS = (Permission.INTROSPECT, Permission.REVOKE, Permission.ADMIN)
LINES = """
. OPERATOR
python -m examples.operator.end_sessions ada --reason TICKET-7
python -m examples.operator.end_sessions ada --reason TICKET-7 --yes
tokensvc audit list --subject ada
"""


def main() -> None:
    """Run until Ctrl-C."""
    with set_up() as stage:
        sign_in(stage)
        operator = stage.register(Client("operator", permissions=PERMISSIONS))
        say("In another terminal, in this directory:", LINES.replace("OPERATOR", stage.shell(operator)))
        asyncio.run(until_interrupted())


def sign_in(stage: Stage) -> None:
    """Two users, three sessions of two apps."""
    for app in ("shop-app", "bank-app"):
        stage.register(Client(app, type=ClientType.PUBLIC))
    bff = stage.register(Client("bff", permissions=(Permission.ISSUE,), acts_for=("*",)))
    with TokenClient(stage.address, credentials=bff) as client:
        client.issue(subject="ada", client_id="shop-app", device=Device(id="1", name="Ada's phone"))
        client.issue(subject="ada", client_id="bank-app", device=Device(id="1", name="Ada's phone"))
        client.issue(subject="grace", client_id="shop-app", device=Device(id="2", name="Grace's tablet"))


if __name__ == "__main__":
    main()
