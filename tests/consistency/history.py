"""Owns the history of a run: what each client asked, when, and what it was told.

A token stands in it by a fingerprint. Moments are nanoseconds of CLOCK_MONOTONIC, which all processes share.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from operator import attrgetter
from pathlib import Path
from typing import Any

OK = "OK"
UNKNOWN = "UNKNOWN"
"""No answer: it may have happened, or may still happen, at any moment after it was sent."""
NOT_SENT = "NOT_SENT"
"""The client had no connection, or the server turned it away before it was begun: nothing can have happened."""

REUSED = "REFRESH_TOKEN_REUSED"
REVOKED = "REFRESH_TOKEN_REVOKED"
MOVED_ON = "INVALID_REQUEST"


class Target(StrEnum):
    """What a Revoke names."""

    TOKEN = "token"
    SESSION = "session_id"
    SUBJECT = "subject"
    DEVICE = "device"
    CLIENT = "client_id"


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One RPC.

    `outcome` is OK, UNKNOWN, NOT_SENT, the reason of a refusal, or whatever else came instead; `said` is what the
    status said.
    """

    name: str
    node: str
    start: int
    end: int
    outcome: str
    said: str = ""
    revision: int = 0

    @property
    def is_ok(self) -> bool:
        """Whether it was answered with success."""
        return self.outcome == OK

    @property
    def may_have_happened(self) -> bool:
        """Whether it succeeded, or may have without an answer. What is no refusal leaves that open."""
        return self.outcome not in (REUSED, REVOKED, MOVED_ON, NOT_SENT)

    def __str__(self) -> str:
        values = {name: value for name, value in asdict(self).items() if value or name == "active"}
        head = f"{values.pop('start') / 1e9:.6f}..{values.pop('end') / 1e9:.6f} {values.pop('name')}"
        return f"{head} {type(self).__name__} " + " ".join(f"{name}={value}" for name, value in values.items())


class Rotates(StrEnum):
    """Which refreshes consume the token that is presented."""

    ALWAYS = "always"
    SOMETIMES = "sometimes"
    """Those that answer another token; one that answers the same has kept it."""
    UNNOTICED = "unnoticed"
    """None: what is without state cannot know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Issue(Operation):
    """A login. `retries` says that its client has a retry window longer than the run; otherwise it has none."""

    subject: str
    device: str
    client: str
    retries: bool
    rotates: Rotates = Rotates.ALWAYS
    key: str = ""
    session: str = ""
    refresh_token: str = ""
    access_token: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refresh(Operation):
    """The refresh of `token`."""

    token: str
    session: str = ""
    refresh_token: str = ""
    access_token: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Introspect(Operation):
    """A look at `token`; those of one BatchIntrospect have the same `batch`."""

    token: str
    batch: str = ""
    active: bool = False
    session: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Revoke(Operation):
    """The end of `value`; for a device that is the subject and the device id with a bar between them."""

    target: Target
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Something that was done to the service, from its beginning until it was undone."""

    name: str
    start: int
    end: int


Record = Operation | Fault

_TYPES: dict[str, type[Record]] = {kind.__name__: kind for kind in (Issue, Refresh, Introspect, Revoke, Fault)}


def fingerprint(token: str) -> str:
    """What a token is called in a history."""
    return hashlib.blake2b(token.encode(), digest_size=9).hexdigest() if token else ""


def device_value(subject: str, device: str) -> str:
    """The `value` of a Revoke that names a device."""
    return f"{subject}|{device}"


def line_of(record: Record) -> str:
    """A record as a line of JSON."""
    return json.dumps({"type": type(record).__name__, **asdict(record)}, separators=(",", ":")) + "\n"


def read(paths: Iterable[Path]) -> list[Record]:
    """The records of all files in the order of their beginnings."""
    return sorted((record for path in paths for record in _records(path)), key=attrgetter("start"))


def _records(path: Path) -> Iterator[Record]:
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            values: dict[str, Any] = json.loads(line)
            yield _TYPES[values.pop("type")](**values)
