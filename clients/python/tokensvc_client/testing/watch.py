"""Owns WatchRevocations: a snapshot, the tail of the log, heartbeats, and what a test may do to them."""

from collections.abc import Iterator
from typing import Final

import grpc
from tokensvc_pb.v1 import token_service_pb2 as pb

from tokensvc_client.testing.clients import Client
from tokensvc_client.testing.errors import Refusal, invalid
from tokensvc_client.testing.moments import timestamp
from tokensvc_client.testing.state import State

_HEARTBEAT_SECONDS: Final = 0.05  # of real time: soon after the fake's clock was moved, every watcher knows


class Feed:
    """The streams of revocations. All but `watch` is called by who holds the state's lock."""

    def __init__(self) -> None:
        self.is_muted = False
        self._cuts = 0

    def cut(self) -> None:
        """End every stream that there is now."""
        self._cuts += 1

    def watch(
        self, state: State, request: pb.WatchRevocationsRequest, context: grpc.ServicerContext
    ) -> Iterator[pb.WatchRevocationsResponse]:
        """What was revoked, from a snapshot or behind a revision on, until the caller goes away."""
        with state.lock:
            cuts, seen = self._cuts, request.from_revision
        begins = seen == 0
        while context.is_active():
            with state.lock:
                if cuts != self._cuts:
                    raise Refusal("STORE_UNAVAILABLE", "the stream was cut")
                step = None if self.is_muted else _step(state, seen, begins=begins)
            if step is not None:
                yield step
                seen, begins = step.revision, False
            with state.lock:
                if state.log.revision == seen or self.is_muted:
                    state.lock.wait(_HEARTBEAT_SECONDS)


def check_watch(state: State, _caller: Client, request: pb.WatchRevocationsRequest) -> None:
    """Refuse a place where the log has never been."""
    if not 0 <= request.from_revision <= state.log.revision:
        raise invalid("from_revision", "from_revision is not a revision of the log")


def _step(state: State, seen: int, *, begins: bool) -> pb.WatchRevocationsResponse:
    news = state.log.behind(seen)
    revocations = [entry.revocation for entry in news if entry.revocation is not None]
    return pb.WatchRevocationsResponse(
        revocations=state.log.live(state.now) if begins else revocations,
        revision=state.log.revision,
        looked_at=timestamp(state.now),
        keys_changed=begins or any(entry.changes_keys for entry in news),  # who begins anew may know older keys
    )
