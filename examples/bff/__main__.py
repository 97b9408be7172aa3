"""`make example-bff`: the BFF beside a token service of its own, and what to type next."""

import logging
import signal
import socket
from contextlib import suppress

import uvicorn
from tokensvc_client import Client, ClientType, Permission, TokenPolicy

from examples.bff.app import APP, AUDIENCE, make_app
from examples.stage import ISSUER, say, set_up

PERMISSIONS = (
    Permission.ISSUE,
    Permission.REFRESH,
    Permission.REVOKE,
    Permission.INTROSPECT,  # to list sessions
    Permission.WATCH,  # to be told of revocations
)
LINES = """
bff=http://ADDRESS
field() { python3 -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1"; }
ada='"user": "ada", "password": "lovelace"'
login() { curl -s $bff/login --json '{'"$ada"', "device_id": "'$1'", "device_name": "Ada'"'"'s '$1'"}'; }
refresh() { curl -s $bff/refresh --json '{"refresh_token": "'$1'", "device_id": "'$2'"}'; }
phone=$(login phone)
tablet=$(login tablet)
token=$(echo "$phone" | field access_token)
curl -s $bff/me -H "Authorization: Bearer $token"
devices=$(curl -s $bff/devices -H "Authorization: Bearer $token"); echo "$devices"

next=$(refresh "$(echo "$phone" | field refresh_token)" phone)
newest=$(refresh "$(echo "$next" | field refresh_token)" phone)
token=$(echo "$newest" | field access_token)

newest_session=$(echo "$devices" | python3 -c 'import json, sys; print(json.load(sys.stdin)[0]["session_id"])')
curl -si $bff/devices/$newest_session -X DELETE -H "Authorization: Bearer $token" | head -1
refresh "$(echo "$tablet" | field refresh_token)" tablet; echo ' - the tablet was signed out'

refresh "$(echo "$phone" | field refresh_token)" phone; echo ' - the first token of the phone has come back'
sleep 1  # more than it takes until the BFF is told
curl -si $bff/me -H "Authorization: Bearer $token" | head -1
"""


def main() -> None:
    """Run until Ctrl-C."""
    logging.basicConfig(level=logging.INFO)
    with set_up() as stage, socket.create_server(("127.0.0.1", 0)) as listening:
        policy = TokenPolicy(scopes=("profile",), audiences=(AUDIENCE,))
        stage.register(Client(APP, type=ClientType.PUBLIC, token_policy=policy))
        credentials = stage.register(Client("shop-bff", permissions=PERMISSIONS, acts_for=(APP,)))
        address = "{}:{}".format(*listening.getsockname())
        say(f"The BFF is on {address}. In another terminal:", LINES.replace("ADDRESS", address))
        server = uvicorn.Server(uvicorn.Config(make_app(stage.address, ISSUER, credentials), log_level="warning"))
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # what uvicorn does with it, it does with Ctrl-C
        with suppress(KeyboardInterrupt):
            server.run(sockets=[listening])


if __name__ == "__main__":
    main()
