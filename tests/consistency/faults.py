"""Owns what is done to the service while it is used: one fault after the other, in an order that a seed decides."""

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from random import Random

from tests.consistency.history import Fault
from tests.consistency.nodes import START_SECONDS, Deployment, Node
from tests.postgres import Postgres

_RETRY_SECONDS = 0.2


class Faults:
    """Each method does something to the service, waits, and undoes it; all are over when it returns."""

    def __init__(self, deployment: Deployment, chance: Random) -> None:
        self._deployment = deployment
        self._chance = chance

    def kinds(self) -> Iterator[Callable[[], None]]:
        """Endlessly the faults that this deployment can have: all of them in some order, then in another."""
        kinds = [self.kill_node, self.stop_node, self.freeze_node]
        kinds += [self.kill_supervisor, self.kill_worker, self.freeze_worker, self.renew_workers]
        if self._deployment.postgres:
            kinds += [self.kill_postgres, self.stop_postgres, self.freeze_postgres]
            kinds += [self.kill_all, self.kill_node_of_frozen_postgres, self.kill_postgres_of_frozen_node]
        else:
            kinds += [self.hold_lock]
        while True:
            self._chance.shuffle(kinds)
            yield from kinds

    def kill_node(self) -> None:
        """Kill -9 of a node, supervisor and workers."""
        node = self._node()
        node.kill()
        self._wait(1)
        node.start()

    def stop_node(self) -> None:
        """A node is stopped with SIGTERM and started again."""
        node = self._node()
        node.stop()
        node.start()

    def kill_supervisor(self) -> None:
        """Kill -9 of a supervisor, whose workers must not stay behind."""
        node = self._node()
        node.kill_supervisor()
        node.start()

    def renew_workers(self) -> None:
        """SIGHUP: the workers are replaced without an interruption."""
        self._node().renew()

    def kill_worker(self) -> None:
        """Kill -9 of one worker; the supervisor has to replace it."""
        self._node().kill_worker(self._chance)

    def freeze_worker(self) -> None:
        """One worker stands still while the other goes on."""
        worker = self._node().freeze_worker(self._chance)
        self._wait(4)
        worker.resume()

    def freeze_node(self) -> None:
        """A node stands still and then goes on as if nothing had happened."""
        node = self._node()
        node.freeze()
        self._wait(4)
        node.thaw()

    def kill_postgres(self) -> None:
        """Kill -9 of PostgreSQL, which has to recover."""
        self._postgres.kill()
        self._wait(1)
        self._start_postgres()

    def stop_postgres(self) -> None:
        """PostgreSQL is shut down in order, cutting the connections."""
        self._postgres.stop()
        self._wait(1)
        self._start_postgres()

    def freeze_postgres(self) -> None:
        """PostgreSQL answers nothing for a while, sometimes for longer than the nodes are ready to wait."""
        self._postgres.freeze()
        self._wait(6)
        self._postgres.thaw()

    def kill_all(self) -> None:
        """Kill -9 of everything at once."""
        self._postgres.kill()
        for node in self._deployment.nodes:
            node.kill()
        self._start_postgres()
        for node in self._deployment.nodes:
            node.start()

    def kill_node_of_frozen_postgres(self) -> None:
        """A node is killed while its transactions hang in a PostgreSQL that stands still."""
        node = self._node()
        self._postgres.freeze()
        self._wait(1)
        node.kill()
        self._wait(1)
        self._postgres.thaw()
        node.start()

    def kill_postgres_of_frozen_node(self) -> None:
        """A node wakes up with transactions of a PostgreSQL that has been killed and started in the meantime."""
        node = self._node()
        node.freeze()
        self.kill_postgres()
        node.thaw()

    def hold_lock(self) -> None:
        """Somebody else holds the embedded database's lock for writing."""
        with closing(sqlite3.connect(self._deployment.data_file, isolation_level=None, timeout=10)) as other:
            other.execute("BEGIN IMMEDIATE")
            self._wait(6)
            other.execute("ROLLBACK")

    def _node(self) -> Node:
        return self._chance.choice(self._deployment.nodes)

    @property
    def _postgres(self) -> Postgres:
        assert self._deployment.postgres is not None
        return self._deployment.postgres

    def _start_postgres(self) -> None:
        """Until a backend that has outlived its killed postmaster is gone, every attempt fails."""
        give_up = time.monotonic() + START_SECONDS
        while True:
            try:
                self._postgres.start()
            except RuntimeError:
                if time.monotonic() > give_up:
                    raise
                time.sleep(_RETRY_SECONDS)  # it is the death of another process that is waited for
            else:
                return

    def _wait(self, most: float) -> None:
        """As long as the fault lasts: mostly short, in seconds."""
        time.sleep(most * self._chance.random() ** 2)  # the time that passes is the fault


def happen(kind: Callable[[], None]) -> Fault:
    """Let a fault happen; answer the record of it."""
    start = time.monotonic_ns()
    kind()
    return Fault(name=kind.__name__, start=start, end=time.monotonic_ns())
