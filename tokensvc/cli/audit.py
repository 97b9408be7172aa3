"""Owns `tokensvc audit`: the audit trail, listed and followed at a server, verified at the database."""

import asyncio
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from functools import wraps
from pathlib import Path
from typing import Any, cast

import click
from tokensvc_pb.v1 import audit_service_pb2 as pb

from tokensvc.cli.calling import Connection
from tokensvc.cli.documents import document_of
from tokensvc.cli.failures import USAGE, CommandError
from tokensvc.cli.local import failing_clearly
from tokensvc.cli.options import CALLING, Function, Group, configured, examples, reported
from tokensvc.cli.output import Output, rfc3339
from tokensvc.cli.printable import printable
from tokensvc.cli.values import MOMENT
from tokensvc.config import Settings
from tokensvc.domain.audit_verdict import NO_CHAIN, AuditHead, AuditVerdict
from tokensvc.domain.effects import LAST_NUMBER
from tokensvc.domain.policy import DAY
from tokensvc.rpc.audit_service import AFTER_KEY
from tokensvc.services.paging import DEFAULT_PAGE, LARGEST_PAGE

_COLUMNS = ("sequence", "time", "type", "caller", "client_id", "subject", "session_id", "reason", "ip")


@click.group(cls=Group)
def audit() -> None:
    """Read the audit trail, and tell whether it is as it was written. At a server it takes the permission admin."""


def _filtered(function: Function) -> Function:
    """Add the options that say which events; `function` gets the filter that they make."""

    @wraps(function)
    def command(
        *args: Any,
        subject: str | None,
        client_id: str | None,
        session_id: str | None,
        types: tuple[str, ...],
        since: datetime | None,
        until: datetime | None,
        **values: Any,
    ) -> Any:
        where = pb.AuditFilter(subject=subject, client_id=client_id, session_id=session_id, types=types)
        if since is not None:
            where.from_time.FromDatetime(since)
        if until is not None:
            where.to_time.FromDatetime(until)
        return function(*args, where=where, **values)

    with_options: Function = command
    for option in (
        click.option("--until", type=MOMENT, help="Events before this moment."),
        click.option("--since", type=MOMENT, help="Events at or after this moment."),
        click.option("--type", "types", multiple=True, help="Events of this type, for example session.reuse_detected."),
        click.option("--session", "session_id", metavar="ID", help="Events of this session."),
        click.option("--client", "client_id", metavar="ID", help="Events of this client, as caller or of its tokens."),
        click.option("--subject", help="Events of this subject."),
    ):
        with_options = option(with_options)
    return with_options


@audit.command(
    "list",
    epilog=examples(
        "tokensvc audit list --subject ada",
        "tokensvc audit list --type session.reuse_detected --type refused --since 2026-01-15T08:00:00Z --json",
    ),
)
@_filtered
@click.option(
    "--page-size", type=click.IntRange(1, LARGEST_PAGE), default=DEFAULT_PAGE, show_default=True, help="Events."
)
@click.option("--page-token", default="", help="next_page_token of the page before.")
@reported
@configured(*CALLING)
def list_(output: Output, settings: Settings, *, where: pb.AuditFilter, page_size: int, page_token: str) -> None:
    """List events, newest first."""
    found: list[pb.AuditEvent] = []
    with Connection(settings) as server:
        while True:
            request = pb.ListAuditEventsRequest(filter=where, page_size=page_size - len(found), page_token=page_token)
            page = server.call(server.audit.ListAuditEvents, request)
            found += page.events
            page_token = page.next_page_token
            if not page_token or len(found) == page_size:
                break
    output.show_list("events", list(map(_document, found)), _COLUMNS, next_page_token=page_token)


@audit.command(
    epilog=examples(
        "tokensvc audit tail",
        "tokensvc audit tail --after 1 --count 1 --json",
    )
)
@_filtered
@click.option(
    "--after",
    type=click.IntRange(0, LAST_NUMBER - 1),
    default=0,
    help="Begin behind the event with this number, not now.",
)
@click.option("--count", type=click.IntRange(1), help="End after so many events.")
@reported
@configured(*CALLING)
def tail(output: Output, settings: Settings, *, where: pb.AuditFilter, after: int, count: int | None) -> None:
    """Follow the events as they happen, a line for each, in the order of their numbers."""
    request = pb.WatchAuditEventsRequest(filter=where, after_sequence=after)
    with Connection(settings) as server:
        for number, event in enumerate(_watch(server, request), 1):
            click.echo(_line(_document(event), as_json=output.as_json))
            if number == count:
                return


def _watch(server: Connection, request: pb.WatchAuditEventsRequest) -> Iterator[pb.AuditEvent]:
    """The events as they come. Fails when they end, and says then where to go on."""
    reached = 0

    def begin(request: pb.WatchAuditEventsRequest, **options: Any) -> Any:
        nonlocal reached
        stream = server.audit.WatchAuditEvents(request, **options)
        reached = int(dict(stream.initial_metadata()).get(AFTER_KEY, 0))
        return stream

    try:
        for answer in server.stream(cast("Any", begin), request):
            reached = answer.event.sequence
            yield answer.event
    except CommandError as error:
        failed = error
    else:
        failed = CommandError("the server has ended the stream")
    if reached:
        failed.document["error"] += f"; go on with --after {reached}"
    raise failed


@audit.command(
    epilog=examples(
        "tokensvc audit verify --json > heads.json",
        "tokensvc audit verify --expect heads.json",
    )
)
@click.option(
    "--expect", type=click.Path(path_type=Path), help="What --json has printed earlier, and the trail must go through."
)
@reported
@configured("data_dir", "database_url", "audit_retention")
def verify(output: Output, settings: Settings, *, expect: Path | None) -> None:
    """Follow the chains of all events in the database; fails if one was changed or is missing, or there is none.

    Works while servers run. Who can write to the whole database can make new chains: keep the output of --json where
    that cannot be written, and hold later ones against it with --expect.
    """
    expected = _heads_in(expect) if expect else []
    with failing_clearly():
        if not settings.database_url.get_secret_value() and not settings.database_path.is_file():
            raise CommandError(f"there is no database at {settings.database_path}", exit_code=USAGE)
        verdict = _verify(settings, expected)
    document = {"intact": not verdict.flaws, **asdict(verdict)}
    output.show(document if output.as_json else _summary(verdict))
    if verdict.flaws:
        raise click.exceptions.Exit(1)


def _verify(settings: Settings, expected: Sequence[AuditHead]) -> AuditVerdict:
    from tokensvc import app  # noqa: PLC0415 - imports the database's libraries, for which --help must not wait

    async def work() -> AuditVerdict:
        store = app.open_store(settings)
        try:
            kept = settings.audit_retention * DAY
            return await store.verify_audit(expected, app.system_clock() - kept if kept else 0)
        finally:
            await store.close()

    return asyncio.run(work())


def _heads_in(path: Path) -> list[AuditHead]:
    """The ends of the chains in the file, and of the events that are in none."""
    with failing_clearly():
        text = path.read_text(encoding="utf-8")
    try:
        document = json.loads(text)
        heads = [AuditHead(**head) for head in document["heads"]]
        heads.append(AuditHead(NO_CHAIN, document["unchained"], "", 0))
        are_heads = all(map(_is_head, heads))
    except (ValueError, TypeError, KeyError):
        are_heads = False
    if not are_heads:
        raise CommandError(f"{path} is not what audit verify --json prints", exit_code=USAGE)
    return heads


def _is_head(head: AuditHead) -> bool:
    numbers = [head.chain, head.position, head.at]
    for position, at in head.days:
        numbers += [position, at]
    return isinstance(head.hash, str) and all(isinstance(number, int) for number in numbers)


def _summary(verdict: AuditVerdict) -> dict[str, Any]:
    """What a person wants to know: of the heads only how many there are."""
    flaws = {
        f"chain {flaw.chain}": f"event {flaw.position}, number {flaw.sequence or 'unknown'}: {flaw.problem}"
        for flaw in verdict.flaws
        if flaw.chain != NO_CHAIN
    }
    counts = {"events": verdict.events, "unchained": verdict.unchained, "chains": len(verdict.heads) + len(flaws)}
    for flaw in verdict.flaws:
        if flaw.chain == NO_CHAIN:
            flaws["no chain"] = f"number {flaw.sequence or 'unknown'}: {flaw.problem}"
    return {"intact": not verdict.flaws, **counts, **flaws}


def _line(document: Mapping[str, Any], *, as_json: bool) -> str:
    """An event in one line, which nothing in it can break."""
    if as_json:
        return json.dumps(document, default=rfc3339)
    rest = dict(document)
    time = rest.pop("time", None)
    words = [str(rest.pop("sequence")), rfc3339(time) if time else "-", rest.pop("type", "-")]
    words += [f"{name}={value if isinstance(value, str) else json.dumps(value)}" for name, value in rest.items()]
    return printable(" ".join(words))


def _document(event: pb.AuditEvent) -> dict[str, Any]:
    return {**document_of(event), "chain_hash": event.chain_hash.hex()}
