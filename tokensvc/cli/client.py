"""Owns `tokensvc client`: registering clients and managing them, directly in the database."""

from datetime import timedelta
from typing import Any

import click

from tokensvc.cli.client_options import describing_a_client, values_given
from tokensvc.cli.documents import client_document, moment
from tokensvc.cli.failures import USAGE, CommandError
from tokensvc.cli.local import with_clients
from tokensvc.cli.options import Group, configured, examples, reported
from tokensvc.cli.output import Output, span_text
from tokensvc.cli.values import SPAN
from tokensvc.config import Settings
from tokensvc.domain.client import Client
from tokensvc.domain.client_fields import changed
from tokensvc.services.clients import DEFAULT_OVERLAP, OPERATOR, Clients
from tokensvc.services.paging import LARGEST_PAGE

_COLUMNS = ("client_id", "type", "disabled", "permissions", "acts_for", "audiences")
_OVERLAP = timedelta(milliseconds=DEFAULT_OVERLAP)


@click.group(cls=Group)
def client() -> None:
    """Register clients and manage them. Works on the database, also while a server runs."""


@client.command(
    "create",
    epilog=examples(
        "tokensvc client create bff --permission issue,refresh,introspect,revoke \\",
        "    --acts-for '*' --scope read --scope write --audience api > bff.txt",
        "awk '/^client_secret:/ {print $2}' bff.txt > bff.secret",
        "tokensvc client create phone --public --scope read --audience api \\",
        "    --access-ttl 5m --refresh-idle-ttl 14d --bind-device reject",
        "tokensvc client create api --permission introspect --answers-for api",
        "tokensvc client create billing --auth-method tls --tls-dns-name billing.internal --permission introspect",
    ),
)
@click.argument("client_id", metavar="ID")
@click.option("--public", is_flag=True, help="A client that cannot keep a secret, and cannot call.")
@describing_a_client(creating=True)
@reported
@configured("data_dir")
def create(output: Output, settings: Settings, *, client_id: str, public: bool, **options: Any) -> None:
    """Register a client. Its secret, where it has one, is printed this once and stored nowhere."""
    wanted = changed(Client(client_id), values_given(options))
    created, secret = with_clients(
        settings, lambda clients: clients.create(wanted, confidential=not public, caller=OPERATOR)
    )
    shown_once = {"client_secret": secret} if secret else {}
    output.show({**client_document(created), **shown_once})


@client.command(
    "update",
    epilog=examples(
        "tokensvc client update phone --max-sessions 5 --at-session-limit refuse",
        "tokensvc client update phone --rotation periodic --rotation-interval 1h",
        "tokensvc client update phone --scope read --scope write --audience ''",
    ),
)
@click.argument("client_id", metavar="ID")
@describing_a_client(creating=False)
@reported
@configured("data_dir")
def update(output: Output, settings: Settings, *, client_id: str, **options: Any) -> None:
    """Change what is given, and nothing else. Live sessions meet a new policy at their next refresh."""
    values = values_given(options)
    if not values:
        raise CommandError("nothing to change was given", exit_code=USAGE)
    changed_client = with_clients(settings, lambda clients: clients.update(client_id, values, caller=OPERATOR))
    output.show(client_document(changed_client))


@client.command("list", epilog=examples("tokensvc client list", "tokensvc client list --json"))
@reported
@configured("data_dir")
def list_(output: Output, settings: Settings) -> None:
    """List all clients."""
    found = with_clients(settings, _all_clients)
    output.show_list("clients", [client_document(one) for one in found], _COLUMNS)


async def _all_clients(clients: Clients) -> list[Client]:
    page, page_token = await clients.list_clients(LARGEST_PAGE, caller=OPERATOR)
    found = [*page]
    while page_token:
        page, page_token = await clients.list_clients(LARGEST_PAGE, page_token, caller=OPERATOR)
        found += page
    return found


@client.command(epilog=examples("tokensvc client show bff"))
@click.argument("client_id", metavar="ID")
@reported
@configured("data_dir")
def show(output: Output, settings: Settings, *, client_id: str) -> None:
    """Show a client."""
    found = with_clients(settings, lambda clients: clients.get(client_id, caller=OPERATOR))
    output.show(client_document(found))


@client.command(epilog=examples("tokensvc client disable phone"))
@click.argument("client_id", metavar="ID")
@reported
@configured("data_dir")
def disable(output: Output, settings: Settings, *, client_id: str) -> None:
    """Disable a client at once, and end everything that was issued for it."""
    _set_disabled(output, settings, client_id, disabled=True)


@client.command(epilog=examples("tokensvc client enable phone"))
@click.argument("client_id", metavar="ID")
@reported
@configured("data_dir")
def enable(output: Output, settings: Settings, *, client_id: str) -> None:
    """Let a disabled client call again. What was ended stays ended."""
    _set_disabled(output, settings, client_id, disabled=False)


def _set_disabled(output: Output, settings: Settings, client_id: str, *, disabled: bool) -> None:
    switched = with_clients(
        settings, lambda clients: clients.set_disabled(client_id, disabled=disabled, caller=OPERATOR)
    )
    output.show(client_document(switched))


@client.command(epilog=examples("tokensvc client delete phone --yes"))
@click.argument("client_id", metavar="ID")
@click.option("--yes", is_flag=True, help="Do not ask.")
@reported
@configured("data_dir")
def delete(output: Output, settings: Settings, *, client_id: str, yes: bool) -> None:
    """Delete a client at once, and end everything that was issued for it. Nothing brings it back."""
    if not yes:
        click.confirm("Delete the client, and end everything that was issued for it?", abort=True, err=True)
    revision = with_clients(settings, lambda clients: clients.delete(client_id, caller=OPERATOR))
    output.show({"client_id": client_id, "revision": revision})


@client.command(
    epilog=examples("tokensvc client rotate-secret bff", "tokensvc client rotate-secret bff --overlap 0s --json")
)
@click.argument("client_id", metavar="ID")
@click.option(
    "--overlap",
    type=SPAN,
    default=span_text(_OVERLAP),
    show_default=True,
    help="How long the secret before stays valid; 0s ends it at once.",
)
@reported
@configured("data_dir")
def rotate_secret(output: Output, settings: Settings, *, client_id: str, overlap: timedelta) -> None:
    """Make a new secret, which is printed this once. The one before it stays valid for a while."""
    span = overlap // timedelta(milliseconds=1)
    rotated = with_clients(settings, lambda clients: clients.rotate_secret(client_id, span, caller=OPERATOR))
    output.show(
        {
            "client_id": client_id,
            "client_secret": rotated.secret,
            "previous_expires_at": moment(rotated.previous_expires_at),
        }
    )
