"""Owns `tokensvc key`: the keys of a server, which follow each other by themselves, and what an operator may do."""

import click
from tokensvc_pb.v1 import key_service_pb2 as pb

from tokensvc.cli import local
from tokensvc.cli.calling import Connection
from tokensvc.cli.documents import document_of
from tokensvc.cli.options import CALLING, Group, configured, examples, reported
from tokensvc.cli.output import Output
from tokensvc.config import Settings

_PURPOSES = {
    "signing": pb.KEY_PURPOSE_SIGNING,
    "refresh-mac": pb.KEY_PURPOSE_REFRESH_MAC,
    "session-mac": pb.KEY_PURPOSE_SESSION_MAC,
}
_COLUMNS = ("key_id", "purpose", "algorithm", "state", "activates_at", "retires_at")
_PURPOSE = click.argument("purpose", type=click.Choice([*_PURPOSES]))


@click.group(cls=Group)
def key() -> None:
    """Show and change the keys that a server signs and seals tokens with."""


@key.command("list", epilog=examples("tokensvc key list"))
@reported
@configured(*CALLING)
def list_(output: Output, settings: Settings) -> None:
    """List the keys, newest first."""
    with Connection(settings) as server:
        answer = server.call(server.keys.ListKeys, pb.ListKeysRequest())
    output.show_list("keys", [document_of(one) for one in answer.keys], _COLUMNS)


@key.command(
    epilog=examples("tokensvc key rotate signing", "tokensvc key rotate signing --algorithm EdDSA --immediately")
)
@_PURPOSE
@click.option("--algorithm", default="", help="Of a signing key; that of the present one when not given.")
@click.option("--immediately", is_flag=True, help="Use it at once: caches of the public keys may not know it yet.")
@reported
@configured(*CALLING)
def rotate(output: Output, settings: Settings, *, purpose: str, algorithm: str, immediately: bool) -> None:
    """Prepare the next key. Tokens of the one before stay good for as long as they live."""
    request = pb.RotateKeyRequest(purpose=_PURPOSES[purpose], algorithm=algorithm, immediately=immediately)
    with Connection(settings) as server:
        output.show(document_of(server.call(server.keys.RotateKey, request).key))


@key.command(epilog=examples("tokensvc key rewrap"))
@reported
@configured("data_dir", "root_key_file")
def rewrap(output: Output, settings: Settings) -> None:
    """Wrap the keys in the database under the first of the root keys, so that the others are needed no more."""
    output.show({"rewrapped": local.rewrap(settings)})


@key.command(epilog=examples('tokensvc key revoke signing "$KEY_ID" --reason stolen'))
@_PURPOSE
@click.argument("key_id")
@click.option("--reason", default="", help="For the audit trail.")
@reported
@configured(*CALLING)
def revoke(output: Output, settings: Settings, *, purpose: str, key_id: str, reason: str) -> None:
    """End a key at once, and with it every token that it has signed or sealed."""
    request = pb.RevokeKeyRequest(key_id=key_id, purpose=_PURPOSES[purpose], reason=reason)
    with Connection(settings) as server:
        output.show(document_of(server.call(server.keys.RevokeKey, request)))
