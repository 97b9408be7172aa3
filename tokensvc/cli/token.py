"""Owns `tokensvc token`: the RPCs of TokenService as commands."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import click
from google.protobuf import json_format
from google.protobuf.duration_pb2 import Duration
from google.protobuf.struct_pb2 import Struct
from google.protobuf.timestamp_pb2 import Timestamp
from tokensvc_pb.v1 import token_pb2
from tokensvc_pb.v1 import token_service_pb2 as pb

from tokensvc.cli.calling import Connection
from tokensvc.cli.decoding import explain
from tokensvc.cli.documents import document_of
from tokensvc.cli.failures import USAGE, CommandError
from tokensvc.cli.options import CALLING, Function, Group, configured, examples, reported
from tokensvc.cli.output import Output
from tokensvc.cli.values import CLAIM, MOMENT, SPAN, TOKEN
from tokensvc.config import Settings

_INACTIVE = {"active": False}


def _telling_where_from(function: Function) -> Function:
    """Add the options of what sessions are bound to, beside the device."""
    for option in (
        click.option("--credential-version", help="Fingerprint of the user's credentials, which changes with them."),
        click.option("--location", default="", help="Place that the user's request comes from, for people to read."),
        click.option("--user-agent", default="", help="User-Agent header of the user's own request."),
        click.option("--ip", default="", help="Address that the user's own request comes from."),
    ):
        function = option(function)
    return function


def _relaying_a_proof(function: Function) -> Function:
    """Add the options of a DPoP proof and the request that it came with."""
    for option in (
        click.option("--dpop-uri", default="", help="URI of the request that it came with, as the app sees it."),
        click.option("--dpop-method", default="POST", help="Method of the request that it came with. [default: POST]"),
        click.option("--dpop-proof", type=TOKEN, help="Value of the DPoP header; - to read it from standard input."),
    ):
        function = option(function)
    return function


@click.group(
    cls=Group,
    epilog=examples(
        "export TOKENSVC_CLIENT_ID=bff TOKENSVC_CLIENT_SECRET_FILE=bff.secret",
        "tokensvc token issue --subject ada > pair.txt",
        "awk '/^refresh_token:/ {print $2}' pair.txt | tokensvc token refresh -",
    ),
)
def token() -> None:
    """Issue, refresh, introspect, revoke and exchange tokens at a server, and explain them.

    A TOKEN is an argument, or - to read it from standard input.
    """


@token.command(
    epilog=examples(
        "tokensvc token issue --subject ada",
        "tokensvc token issue --subject ada --scope read --audience api \\",
        "    --device-id phone-1 --claim 'tenant=\"acme\"' --json",
        "tokensvc token issue --subject ada --ip 192.0.2.7 --user-agent 'Shop/3.4' --credential-version 1",
        "tokensvc token issue --subject ada --access-only --access-ttl 60s",
        "tokensvc token issue --subject ada --jkt 0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I",
    )
)
@click.option("--subject", required=True, help="Whom the tokens speak for.")
@click.option("--for-client", "client_id", metavar="ID", help="Client that the tokens are for; default: the caller.")
@click.option("--scope", "scopes", multiple=True, help="Wanted scope; default: all that the client may have.")
@click.option("--audience", "audiences", multiple=True, help="Wanted audience; default: all that the client may have.")
@click.option("--access-only", is_flag=True, help="An access token alone, without a session.")
@click.option("--device-id", default="", help="Device that the session lives on.")
@click.option("--device-name", default="", help="What a person calls the device.")
@click.option("--device-platform", default="", help="For example ios, android, web.")
@_telling_where_from
@click.option("--access-ttl", type=SPAN, help="Life of the access token, within the client's policy.")
@click.option("--refresh-ttl", type=SPAN, help="Life of the session, within the client's policy.")
@click.option("--jkt", default="", help="Bind the tokens to the DPoP key with this thumbprint.")
@click.option("--x5t-s256", default="", help="Bind the tokens to the TLS certificate with this thumbprint.")
@click.option("--claim", "claims", type=CLAIM, multiple=True, help="One more claim for the access token.")
@click.option("--idempotency-key", help="Makes a repeated issue answer with the same session; 16 characters or more.")
@reported
@configured(*CALLING)
def issue(
    output: Output,
    settings: Settings,
    *,
    device_id: str,
    device_name: str,
    device_platform: str,
    ip: str,
    user_agent: str,
    location: str,
    access_ttl: timedelta | None,
    refresh_ttl: timedelta | None,
    jkt: str,
    x5t_s256: str,
    claims: tuple[tuple[str, Any], ...],
    **fields: Any,
) -> None:
    """Start a session: an access token and a refresh token."""
    request = pb.IssueRequest(
        device=token_pb2.Device(id=device_id, name=device_name, platform=device_platform),
        context=token_pb2.ClientContext(ip=ip, user_agent=user_agent, location=location),
        access_ttl=_duration(access_ttl),
        refresh_ttl=_duration(refresh_ttl),
        claims=_struct(dict(claims)) if claims else None,
        confirmation=token_pb2.Confirmation(jkt=jkt, x5t_s256=x5t_s256) if jkt or x5t_s256 else None,
        **fields,
    )
    with Connection(settings) as server:
        output.show(document_of(server.call(server.tokens.Issue, request)))


@token.command(
    epilog=examples(
        'tokensvc token refresh "$REFRESH_TOKEN"',
        'echo "$REFRESH_TOKEN" | tokensvc token refresh - --scope read',
        'tokensvc token refresh "$REFRESH_TOKEN" --ip 192.0.2.7 --credential-version 2',
    )
)
@click.argument("refresh_token", type=TOKEN, metavar="TOKEN")
@click.option("--for-client", "client_id", metavar="ID", help="Client that the token must belong to.")
@click.option("--scope", "scopes", multiple=True, help="Fewer scopes for this access token.")
@click.option("--audience", "audiences", multiple=True, help="Fewer audiences for this access token.")
@click.option("--device-id", help="Device that asks.")
@_telling_where_from
@_relaying_a_proof
@reported
@configured(*CALLING)
def refresh(
    output: Output,
    settings: Settings,
    *,
    ip: str,
    user_agent: str,
    location: str,
    dpop_proof: str | None,
    dpop_method: str,
    dpop_uri: str,
    **fields: Any,
) -> None:
    """Trade a refresh token for a fresh access token and the next refresh token."""
    context = token_pb2.ClientContext(ip=ip, user_agent=user_agent, location=location)
    request = pb.RefreshRequest(context=context, dpop=_proof(dpop_proof, dpop_method, dpop_uri), **fields)
    with Connection(settings) as server:
        output.show(document_of(server.call(server.tokens.Refresh, request)))


@token.command(
    epilog=examples(
        'tokensvc token introspect "$ACCESS_TOKEN"',
        'echo "$ACCESS_TOKEN" | tokensvc token introspect - --audience api --require-scope read',
        'tokensvc token introspect "$ACCESS_TOKEN" --dpop-proof "$PROOF" --dpop-method GET \\',
        "    --dpop-uri https://orders.example.com/orders",
    )
)
@click.argument("token", type=TOKEN)
@click.option("--audience", help="Active only if meant for this audience.")
@click.option("--require-scope", "required_scopes", multiple=True, help="Active only with this scope.")
@click.option("--min-revision", type=click.IntRange(0), help="The answer must know this revision.")
@click.option("--max-staleness", type=SPAN, help="The answer may be this old; default: not at all.")
@_relaying_a_proof
@reported
@configured(*CALLING)
def introspect(
    output: Output,
    settings: Settings,
    *,
    max_staleness: timedelta | None,
    dpop_proof: str | None,
    dpop_method: str,
    dpop_uri: str,
    **fields: Any,
) -> None:
    """Tell whether a token is active, and what it says. The exit code is 0 for an inactive one too."""
    proof = _proof(dpop_proof, dpop_method, dpop_uri)
    request = pb.IntrospectRequest(max_staleness=_duration(max_staleness), dpop=proof, **fields)
    with Connection(settings) as server:
        answer = server.call(server.tokens.Introspect, request)
    output.show(document_of(answer) if answer.active else _INACTIVE)


@token.command(
    epilog=examples(
        'tokensvc token revoke "$REFRESH_TOKEN" --reason logout',
        'tokensvc token revoke --session "$SESSION_ID"',
        "tokensvc token revoke --subject ada --device phone-1 --reason 'phone lost'",
        "tokensvc token revoke --subject ada --issued-before 2026-01-15T08:00:00Z",
    )
)
@click.argument("token", type=TOKEN, required=False)
@click.option("--session", "session_id", metavar="ID", help="End a session.")
@click.option("--subject", help="End everything of a subject.")
@click.option("--device", metavar="ID", help="With --subject: end only what lives on this device.")
@click.option("--client", metavar="ID", help="End everything issued for a client.")
@click.option("--reason", help="For people and the audit trail.")
@click.option("--issued-before", type=MOMENT, help="End only what began before, for subject, device and client.")
@reported
@configured(*CALLING)
def revoke(
    output: Output, settings: Settings, *, reason: str | None, issued_before: datetime | None, **target: str | None
) -> None:
    """End a token, or a refresh token's whole session; or a session, a subject, a device or a client."""
    request = pb.RevokeRequest(reason=reason, **_target(**target))
    if issued_before is not None:
        request.issued_before.CopyFrom(_timestamp(issued_before))
    with Connection(settings) as server:
        output.show(document_of(server.call(server.tokens.Revoke, request)))


@token.command(
    epilog=examples(
        'tokensvc token exchange "$ACCESS_TOKEN" --audience billing-api',
        'echo "$ACCESS_TOKEN" | tokensvc token exchange - --audience billing-api --scope read --access-ttl 30s',
        'tokensvc token exchange "$ACCESS_TOKEN" --actor-token "$ACTOR_TOKEN" --audience billing-api',
    )
)
@click.argument("subject_token", type=TOKEN, metavar="TOKEN")
@click.option("--audience", "audiences", multiple=True, required=True, help="Service that the new token is for.")
@click.option("--scope", "scopes", multiple=True, help="Fewer scopes; default: those of the token.")
@click.option("--actor-token", type=TOKEN, help="Access token of who acts; default: the caller acts.")
@click.option("--access-ttl", type=SPAN, help="Shorter life; never beyond that of the token.")
@reported
@configured(*CALLING)
def exchange(output: Output, settings: Settings, *, access_ttl: timedelta | None, **fields: Any) -> None:
    """Trade an access token for a narrower one for the next service, which says who acts for whom."""
    request = pb.ExchangeRequest(access_ttl=_duration(access_ttl), **fields)
    with Connection(settings) as server:
        output.show(document_of(server.call(server.tokens.Exchange, request)))


@token.command(epilog=examples('tokensvc token decode "$REFRESH_TOKEN"', 'tokensvc token decode "$ACCESS_TOKEN"'))
@click.argument("token", type=TOKEN)
@reported
def decode(output: Output, *, token: str) -> None:
    """Explain a token without a server. Its signature is not checked."""
    output.show(explain(token))


def _target(
    *, token: str | None, session_id: str | None, subject: str | None, device: str | None, client: str | None
) -> Mapping[str, Any]:
    """The one target that was given."""
    given = {"token": token, "session_id": session_id, "subject": subject, "client_id": client}
    named = {field: value for field, value in given.items() if value is not None}
    if len(named) != 1:
        raise CommandError("give exactly one of TOKEN, --session, --subject and --client", exit_code=USAGE)
    if device is None:
        return named
    if subject is None:
        raise CommandError("--device goes with --subject", exit_code=USAGE)
    return {"device": pb.RevokeRequest.DeviceTarget(subject=subject, device_id=device)}


def _proof(proof: str | None, method: str, uri: str) -> token_pb2.DpopProof | None:
    return token_pb2.DpopProof(proof=proof, method=method, uri=uri) if proof is not None else None


def _duration(span: timedelta | None) -> Duration | None:
    return Duration(seconds=int(span.total_seconds())) if span is not None else None


def _timestamp(moment: datetime) -> Timestamp:
    timestamp = Timestamp()
    timestamp.FromDatetime(moment)
    return timestamp


def _struct(claims: dict[str, Any]) -> Struct:
    return json_format.ParseDict(claims, Struct())
