"""Owns `tokensvc session`: the sessions of a server as people and operators see them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import click
from tokensvc_pb.v1 import session_service_pb2 as pb

from tokensvc.cli.calling import Connection
from tokensvc.cli.documents import document_of
from tokensvc.cli.failures import USAGE, CommandError
from tokensvc.cli.options import CALLING, Group, configured, examples, reported
from tokensvc.cli.output import Output
from tokensvc.cli.values import SPAN
from tokensvc.config import Settings
from tokensvc.services.paging import DEFAULT_PAGE, LARGEST_PAGE

_COLUMNS = ("session_id", "subject", "client_id", "device.id", "state", "started_at", "last_used_at", "expires_at")


@click.group(cls=Group)
def session() -> None:
    """Show the sessions that a server keeps."""


@session.command(
    "list",
    epilog=examples(
        "tokensvc session list --subject ada",
        "tokensvc session list --client phone --include-ended --json",
    ),
)
@click.option("--subject", help="Sessions of this subject; this or --client is required.")
@click.option("--client", "client_id", metavar="ID", help="Sessions of this client.")
@click.option("--device", "device_id", metavar="ID", help="With --subject: sessions on this device.")
@click.option("--include-ended", is_flag=True, help="Also sessions that are revoked or expired.")
@click.option(
    "--page-size", type=click.IntRange(1, LARGEST_PAGE), default=DEFAULT_PAGE, show_default=True, help="Sessions."
)
@click.option("--page-token", help="next_page_token of the page before.")
@reported
@configured(*CALLING)
def list_(output: Output, settings: Settings, **fields: Any) -> None:
    """List sessions, newest first."""
    with Connection(settings) as server:
        page = server.call(server.sessions.ListSessions, pb.ListSessionsRequest(**fields))
    found = [document_of(one) for one in page.sessions]
    output.show_list("sessions", found, _COLUMNS, next_page_token=page.next_page_token)


# A session_id may begin with a dash: it must not be taken for an option.
@session.command(
    context_settings={"ignore_unknown_options": True}, epilog=examples('tokensvc session show "$SESSION_ID"')
)
@click.argument("session_id")
@reported
@configured(*CALLING)
def show(output: Output, settings: Settings, *, session_id: str) -> None:
    """Show a session."""
    with Connection(settings) as server:
        answer = server.call(server.sessions.GetSession, pb.GetSessionRequest(session_id=session_id))
    output.show(document_of(answer.session))


@session.command(epilog=examples("tokensvc session flag ada --reason 'password leaked' --for 7d"))
@click.argument("subject")
@click.option("--reason", default="", help="For the audit trail.")
@click.option("--for", "span", type=SPAN, help="When the mark ends by itself; without it, the mark stays.")
@reported
@configured(*CALLING)
def flag(output: Output, settings: Settings, *, subject: str, reason: str, span: timedelta | None) -> None:
    """Mark a subject as at risk: selective rotation rotates at every refresh."""
    request = pb.FlagSubjectRequest(subject=subject, reason=reason)
    if span is not None:
        try:
            request.expires_at.FromDatetime(datetime.now(UTC) + span)
        except OverflowError:
            raise CommandError("--for: no moment is as far away as that", exit_code=USAGE) from None
    with Connection(settings) as server:
        output.show(document_of(server.call(server.sessions.FlagSubject, request)))


@session.command(epilog=examples("tokensvc session unflag ada"))
@click.argument("subject")
@click.option("--reason", default="", help="For the audit trail.")
@reported
@configured(*CALLING)
def unflag(output: Output, settings: Settings, *, subject: str, reason: str) -> None:
    """Take the mark of a subject away."""
    request = pb.UnflagSubjectRequest(subject=subject, reason=reason)
    with Connection(settings) as server:
        output.show(document_of(server.call(server.sessions.UnflagSubject, request)))
