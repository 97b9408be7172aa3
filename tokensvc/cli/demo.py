"""Owns `tokensvc demo`: the life of a token, step by step, against a real server, each step checked."""

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import click
from pydantic import SecretStr
from tokensvc_pb.v1 import token_pb2
from tokensvc_pb.v1 import token_service_pb2 as pb

from tokensvc.cli.calling import Connection
from tokensvc.cli.demo_server import DemoServer, demo_server
from tokensvc.cli.failures import CommandError
from tokensvc.cli.local import with_clients
from tokensvc.cli.options import Command, examples, reported_plainly
from tokensvc.config import Settings
from tokensvc.domain.client import Client, Permission
from tokensvc.domain.policy import TokenPolicy
from tokensvc.services.clients import OPERATOR, Clients

_ISSUER = "https://demo.tokensvc.local"
_HEAD, _TAIL = 5, 12  # of a token that is printed
_BFF = Client(
    "bff",
    permissions=frozenset({Permission.ISSUE, Permission.REFRESH, Permission.REVOKE}),
    acts_for=frozenset({"phone"}),
)
_PHONE = Client("phone", policy=TokenPolicy(scopes=("read", "write"), audiences=("api",)))
_API = Client("api", permissions=frozenset({Permission.INTROSPECT}), audiences=frozenset({"api"}))


class Story:
    """Prints numbered steps, and ends at the first that does not go as it must."""

    def __init__(self) -> None:
        self._number = 0

    def step(self, title: str) -> None:
        """Begin the next step."""
        self._number += 1
        click.echo(f"{self._number:>2}. {title}")

    def tell(self, name: str, value: object) -> None:
        """Print a result of the step."""
        click.echo(f"      {name + ':':<15} {value}")

    def check(self, what: str, *, holds: bool) -> None:
        """Print what holds; fails if it does not."""
        if not holds:
            raise CommandError(f"step {self._number} did not go as it must: {what}: this does not hold")
        click.echo(f"      ok, {what}")


@dataclass(frozen=True, slots=True)
class Scene:
    """Who takes part: the story is told while the BFF and the API call the server."""

    story: Story
    bff: Connection
    api: Connection

    def is_active(self, access_token: str) -> bool:
        """What the API learns about an access token."""
        return self.api.call(self.api.tokens.Introspect, pb.IntrospectRequest(token=access_token)).active

    def issue(self) -> pb.IssueResponse:
        """Let the BFF start a session for the phone."""
        device = token_pb2.Device(id="phone-1", name="Ada's phone", platform="android")
        request = pb.IssueRequest(subject="ada", client_id=_PHONE.client_id, device=device)
        return self.bff.call(self.bff.tokens.Issue, request)

    def refresh(self, refresh_token: str) -> pb.RefreshResponse:
        """Let the BFF relay the phone's refresh."""
        return self.bff.call(self.bff.tokens.Refresh, pb.RefreshRequest(refresh_token=refresh_token))


@click.command(cls=Command, epilog=examples("tokensvc demo"))
@reported_plainly
def demo() -> None:
    """Show the life of a token on a server that is started for it: issue, refresh, reuse caught, revoke."""
    story = Story()
    with TemporaryDirectory(prefix="tokensvc-demo-") as directory, demo_server(Path(directory), _ISSUER) as server:
        _tell_server(story, server)
        bff, api = _register(story, Path(directory), server.address)
        with Connection(bff) as as_bff, Connection(api) as as_api:
            scene = Scene(story, as_bff, as_api)
            _rotation_and_reuse(scene)
            _logout(scene)
        story.step("Stop the server with SIGTERM")
        story.check("its exit code is 0", holds=server.stop() == 0)
    click.echo("Every step went as it must.")


def _tell_server(story: Story, server: DemoServer) -> None:
    story.step("Start a server on a new SQLite database")
    for name in ("address", "journal_mode", "synchronous"):
        story.tell(name, server.started.get(name))
    story.check("every commit is synced to the disk", holds=server.started.get("synchronous") == "full")


def _register(story: Story, data_dir: Path, address: str) -> tuple[Settings, Settings]:
    """Register the clients beside the running server; answer with what the two that can call do so."""
    story.step("Register clients: a BFF, the public mobile app that it relays, and an API")

    async def register(clients: Clients) -> tuple[str, str]:
        _, bff_secret = await clients.create(_BFF, confidential=True, caller=OPERATOR)
        _, api_secret = await clients.create(_API, confidential=True, caller=OPERATOR)
        await clients.create(_PHONE, confidential=False, caller=OPERATOR)
        return bff_secret, api_secret

    # Without what the environment says: a demo must not touch a real installation.
    secrets = with_clients(Settings.model_construct(data_dir=data_dir, issuer=_ISSUER), register)
    for client in (_BFF, _PHONE, _API):
        story.tell(client.client_id, ", ".join(sorted(client.permissions)) or "public, cannot call")
    bff, api = (
        Settings.model_construct(address=address, client_id=client.client_id, client_secret=SecretStr(secret))
        for client, secret in zip((_BFF, _API), secrets, strict=True)
    )
    return bff, api


def _rotation_and_reuse(scene: Scene) -> None:
    story = scene.story
    story.step("Issue: Ada has logged in on her phone, and the BFF asks for tokens")
    first = scene.issue()
    story.tell("access_token", f"{_short(first.access_token)} for {first.expires_in} s")
    story.tell("refresh_token", _short(first.refresh_token))
    story.check("there is a pair of tokens", holds=bool(first.access_token and first.refresh_token))

    story.step("Introspect: the API asks about the access token")
    story.check("it is active", holds=scene.is_active(first.access_token))

    story.step("Refresh: the phone trades its refresh token for the next one")
    second = scene.refresh(first.refresh_token)
    story.tell("refresh_token", _short(second.refresh_token))
    story.check("the refresh token has changed", holds=second.refresh_token != first.refresh_token)
    story.check("the session is the same", holds=second.session_id == first.session_id)

    story.step("Retry: the answer was lost, and the phone sends the old refresh token once more")
    retried = scene.refresh(first.refresh_token)
    story.tell("refresh_token", _short(retried.refresh_token))
    story.check("it gets the same successor", holds=retried.refresh_token == second.refresh_token)

    story.step("Reuse: the phone has refreshed again, and a thief presents the first refresh token")
    newest = scene.refresh(second.refresh_token)
    story.check("the newest access token is active before", holds=scene.is_active(newest.access_token))
    reason = _refusal(scene, first.refresh_token)
    story.tell("refused with", reason)
    story.check("the reuse is caught", holds=reason == "REFRESH_TOKEN_REUSED")
    story.check("the family's newest access token is dead", holds=not scene.is_active(newest.access_token))


def _logout(scene: Scene) -> None:
    story = scene.story
    story.step("Issue: Ada logs in again")
    again = scene.issue()
    story.check("the new access token is active", holds=scene.is_active(again.access_token))

    story.step("Revoke: Ada logs out")
    request = pb.RevokeRequest(token=again.refresh_token, reason="logout")
    story.tell("revision", scene.bff.call(scene.bff.tokens.Revoke, request).revision)

    story.step("Introspect: the API asks about the access token once more")
    story.check("it is inactive at once", holds=not scene.is_active(again.access_token))


def _refusal(scene: Scene, refresh_token: str) -> str:
    try:
        scene.refresh(refresh_token)
    except CommandError as error:
        return error.document.get("reason", "no reason")
    return "nothing: it was answered"


def _short(token: str) -> str:
    return f"{token[:_HEAD]}...{token[-_TAIL:]}"
