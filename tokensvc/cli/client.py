"""Owns `tokensvc client`: registering, showing and disabling clients, directly in the database."""

from collections.abc import Callable
from datetime import timedelta
from itertools import chain
from typing import Any

import click

from tokensvc.cli.documents import client_document
from tokensvc.cli.local import with_clients
from tokensvc.cli.options import Function, Group, configured, examples, reported
from tokensvc.cli.output import Output, span_text
from tokensvc.cli.values import PERMISSIONS, SPAN
from tokensvc.config import Settings
from tokensvc.domain.client import Client, Permission
from tokensvc.domain.policy import DEFAULT_POLICY, BindingAction, BindingPolicy, TokenPolicy
from tokensvc.services.clients import Clients

_COLUMNS = ("client_id", "type", "disabled", "permissions", "acts_for", "audiences")


@click.group(cls=Group)
def client() -> None:
    """Register clients and manage them. Works on the database, also while a server runs."""


def _lifetime(flag: str, default: int, text: str) -> Callable[[Function], Function]:
    return click.option(
        flag, type=SPAN, default=span_text(timedelta(milliseconds=default)), show_default=True, help=text
    )


@client.command(
    "create",
    epilog=examples(
        "tokensvc client create bff --permission issue,refresh,introspect,revoke \\",
        "    --acts-for '*' --scope read --scope write --audience api > bff.txt",
        "awk '/^client_secret:/ {print $2}' bff.txt > bff.secret",
        "tokensvc client create phone --public --scope read --audience api \\",
        "    --access-ttl 5m --refresh-idle-ttl 14d",
        "tokensvc client create api --permission introspect --answers-for api",
    ),
)
@click.argument("client_id", metavar="ID")
@click.option("--name", default="", help="What people call it.")
@click.option("--public", is_flag=True, help="A client that cannot keep a secret, and cannot call.")
@click.option("--permission", "permissions", type=PERMISSIONS, multiple=True, help="What it may do.")
@click.option("--acts-for", multiple=True, metavar="ID", help="Client that it may act for; '*' for all.")
@click.option("--answers-for", multiple=True, metavar="AUDIENCE", help="Audience whose tokens it may introspect.")
@click.option("--scope", "scopes", multiple=True, help="Scope that its tokens may have.")
@click.option("--audience", "audiences", multiple=True, help="Audience that its tokens may have; default: the issuer.")
@_lifetime("--access-ttl", DEFAULT_POLICY.access_ttl, "Longest life of an access token.")
@_lifetime("--refresh-idle-ttl", DEFAULT_POLICY.refresh_idle_ttl, "A session ends after this time without a refresh.")
@_lifetime("--refresh-absolute-ttl", DEFAULT_POLICY.refresh_absolute_ttl, "A session ends after this time in any case.")
@_lifetime("--retry-window", DEFAULT_POLICY.retry_window, "How long a repeated refresh gets the same successor.")
@click.option("--bind-device", is_flag=True, help="Refuse a refresh that comes from another device.")
@reported
@configured("data_dir", "issuer")
def create(
    output: Output,
    settings: Settings,
    *,
    client_id: str,
    name: str,
    public: bool,
    permissions: tuple[tuple[Permission, ...], ...],
    acts_for: tuple[str, ...],
    answers_for: tuple[str, ...],
    bind_device: bool,
    **policy: Any,
) -> None:
    """Register a client. Its secret is printed this once and stored nowhere."""
    wanted = Client(
        client_id,
        name=name,
        permissions=frozenset(chain.from_iterable(permissions)),
        acts_for=frozenset(acts_for),
        audiences=frozenset(answers_for),
        policy=TokenPolicy(
            binding=BindingPolicy(device=BindingAction.REJECT if bind_device else BindingAction.IGNORE),
            **{field: _milliseconds(value) for field, value in policy.items()},
        ),
    )
    created, secret = with_clients(settings, lambda clients: clients.create(wanted, confidential=not public))
    shown_once = {} if public else {"client_secret": secret}
    output.show({**client_document(created), **shown_once})


@client.command("list", epilog=examples("tokensvc client list", "tokensvc client list --json"))
@reported
@configured("data_dir")
def list_(output: Output, settings: Settings) -> None:
    """List all clients."""
    found = with_clients(settings, lambda clients: clients.list_clients())
    output.show_list("clients", [client_document(one) for one in found], _COLUMNS)


@client.command(epilog=examples("tokensvc client show bff"))
@click.argument("client_id", metavar="ID")
@reported
@configured("data_dir")
def show(output: Output, settings: Settings, *, client_id: str) -> None:
    """Show a client."""
    output.show(client_document(with_clients(settings, lambda clients: clients.get(client_id))))


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
    async def change(clients: Clients) -> Client:
        await clients.set_disabled(client_id, disabled=disabled)
        return await clients.get(client_id)

    output.show(client_document(with_clients(settings, change)))


def _milliseconds(value: Any) -> Any:
    return round(value.total_seconds() * 1000) if isinstance(value, timedelta) else value
