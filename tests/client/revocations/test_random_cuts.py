"""Ten thousand random cuts: nothing is missed, and who is not stale has seen every revocation that is old enough."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tokensvc_client.revocations.following import BrokenStreamError, Following, Patience
from tokensvc_client.revocations.view import Beginning, beginning
from tokensvc_pb.v1 import token_service_pb2 as pb

from tests.client.revocations.messages import NOW, part, revocation, told

CUTS = 10_000
CUTS_PER_LIFE = 50
PART = 3
DRIFT = 1e-3  # by which the clocks could run apart, for all that the client knows


@dataclass
class Entry:
    """A revocation in the log, and when it was committed."""

    committed_at: float
    message: Any
    token: tuple[Beginning, ...]


@dataclass
class World:
    """A service, a network and a client, in one time. The server's clock is ahead by `skew`."""

    chance: random.Random
    now: float = 1000.0
    skew: float = NOW - 1000.0
    log: list[Entry] = field(default_factory=list)
    count: int = 0
    looked_at: float = 0.0
    is_first: bool = True
    slack_of_stream: float = 0.0  # what the client has to allow for, because clocks may drift
    slack: float = 0.0  # the same of the stream that `synchronised_at` comes from

    def __post_init__(self) -> None:
        self.following = Following(self.chance.random, Patience())

    def pass_time(self, most: float) -> None:
        """Time passes, and something may be revoked meanwhile."""
        end = self.now + self.chance.random() * most
        for _ in range(self.chance.choice([0, 0, 1, 4])):
            self.now += self.chance.random() * (end - self.now)
            self.revoke()
        self.now = end

    def revoke(self) -> None:
        """A revocation is committed now."""
        self.count += 1
        name = f"token-{self.count}"
        message = revocation(len(self.log) + 1, token_id=name, expires_at=NOW + 10**6)
        token = (beginning(started_at=0, started_revision=0, token_id=name, client_id="phone"),)
        self.log.append(Entry(self.now, message, token))

    def stream(self, after: int) -> Iterator[tuple[pb.WatchRevocationsResponse, float]]:
        """What the server writes, each with when it had looked; it looks again whenever it is asked for more."""
        is_snapshot, head, looked_at = not after, len(self.log), self.now
        while head - after > PART:
            entries = [entry.message for entry in self.log[after : after + PART]]
            after += PART
            message = part(*entries)
            message.revision = 0 if is_snapshot else after
            yield message, looked_at
        while True:
            entries = [entry.message for entry in self.log[after:head]]
            yield told(*entries, revision=head, looked_at=looked_at + self.skew), looked_at
            after, head, looked_at = head, len(self.log), self.now

    def follow_until_cut(self) -> None:
        """One stream: messages come later than they were written, some much later, until it is cut."""
        after = self.following.begin(self.now)
        refused = after > len(self.log)
        self.slack_of_stream, self.is_first = 0.0, True
        try:
            for message, looked_at in self.stream(after) if not refused else ():
                if self.chance.random() < 0.3:
                    break
                self.pass_time(20.0 if self.chance.random() < 0.05 else 0.3)
                goes_on = self._deliver(message, looked_at)
                self.check()
                if not goes_on:
                    break
        except BrokenStreamError:
            pass
        self.now += self.following.lost(refused=refused)
        self.check()

    def _deliver(self, message: pb.WatchRevocationsResponse, looked_at: float) -> bool:
        before, is_first = self.following.synchronised_at, self.is_first
        if message.HasField("looked_at"):
            passed = 0.0 if is_first else looked_at - self.looked_at
            self.slack_of_stream = min(self.slack_of_stream + passed * DRIFT, self.now - looked_at)
            self.looked_at, self.is_first = looked_at, False
        goes_on = self.following.receive(message, self.now)
        if self.following.synchronised_at != before:
            self.slack = self.slack_of_stream
        return goes_on

    def check(self) -> None:
        """Every revocation that was answered before the view was synchronised is in it.

        That is what being fresh means: a token that is accepted at a staleness was not revoked that long before.
        """
        known_at = self.following.synchronised_at
        due = known_at - self.slack - 1e-3
        missed = [one for one in self.log if one.committed_at < due and not self.following.view.has_revoked(one.token)]
        assert missed == []
        assert known_at <= self.now

    def restart(self) -> None:
        """The server comes back with another clock, or on an older copy of the database."""
        self.skew += self.chance.uniform(-3600, 3600)
        if self.chance.random() < 0.3:
            lost = self.chance.randrange(4)
            del self.log[len(self.log) - lost :]
            # It does not know what was told of the lost revisions, so it refuses those who have seen them.
            if self.following.revision > len(self.log):
                self.following.begin(self.now)
                self.now += self.following.lost(refused=True)


def test_nothing_is_missed_over_ten_thousand_cuts() -> None:
    """Streams cut anywhere, late messages, restarts, snapshots that never end: checked against the log after each."""
    snapshots = 0
    for life in range(CUTS // CUTS_PER_LIFE):
        world = World(random.Random(life))
        for _ in range(CUTS_PER_LIFE):
            world.pass_time(1.0)
            if world.chance.random() < 0.1:
                world.restart()
            snapshots += not world.following.revision
            world.follow_until_cut()
        _let_it_catch_up(world)
    assert snapshots > CUTS // CUTS_PER_LIFE  # some were interrupted


def _let_it_catch_up(world: World) -> None:
    """When the network is good again, the view has all there is."""
    for message, _ in world.stream(world.following.begin(world.now)):
        world.following.receive(message, world.now)
        if message.HasField("looked_at"):
            break
    assert world.following.revision == len(world.log)
    assert all(world.following.view.has_revoked(entry.token) for entry in world.log)
