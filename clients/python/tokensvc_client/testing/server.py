"""Owns the fake's life as a gRPC server, and what a test says to it."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, Final, Self

import grpc
from tokensvc_pb.v1 import client_service_pb2, key_service_pb2
from tokensvc_pb.v1 import token_service_pb2 as pb

from tokensvc_client.testing import client_service, issue, key_service, revoke
from tokensvc_client.testing.calls import Calls, ReceivedCall
from tokensvc_client.testing.clients import EVERY_CLIENT, EVERY_PERMISSION, open_client
from tokensvc_client.testing.clock import FakeClock
from tokensvc_client.testing.errors import Refusal
from tokensvc_client.testing.faults import Fault, Faults, Held
from tokensvc_client.testing.keys import KeyRing
from tokensvc_client.testing.methods import NAMES
from tokensvc_client.testing.state import State
from tokensvc_client.testing.watch import Feed

_MOST_AT_ONCE: Final = 64  # a stream needs a thread of its own, as does a call that is held
_MOST_BYTES: Final = 8 * 1024 * 1024  # of a BatchIntrospect
_TEST: Final = open_client("test")


class FakeTokenService:
    """A token service for tests: a context manager, for synchronous and for asynchronous ones.

    `target` is where it is called, without TLS; `clock` is its time. It is begun and ended by `with` alone.
    """

    def __init__(
        self,
        clock: FakeClock | None = None,
        *,
        issuer: str = "https://tokensvc.test",
        address: str = "127.0.0.1:0",
    ) -> None:
        """`issuer` is the claim iss of its tokens; `address` may be a unix socket too: `unix:/a/path`."""
        self.clock = clock or FakeClock()
        self.issuer = issuer
        self.target = ""
        self._address = address
        self._state = State(self.clock, issuer, KeyRing(self.clock.milliseconds))
        self._faults = Faults(NAMES)
        self._feed = Feed()
        self._calls = Calls(self._state, self._faults, self._feed)
        self._pool = ThreadPoolExecutor(_MOST_AT_ONCE, thread_name_prefix="fake-tokensvc")
        options = (("grpc.so_reuseport", 0), ("grpc.max_receive_message_length", _MOST_BYTES))
        self._server = grpc.server(self._pool, options=options)

    def __enter__(self) -> Self:
        self._server.add_generic_rpc_handlers(self._calls.handlers())
        port = self._server.add_insecure_port(self._address)
        self.target = self._address if self._address.startswith("unix:") else f"127.0.0.1:{port}"
        self._server.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._server.stop(grace=None).wait()
        self._pool.shutdown()

    @property
    def requests(self) -> list[ReceivedCall]:
        """The calls that have arrived, in order; what the test itself asks of the fake is not among them."""
        return self._calls.received

    def add_client(
        self,
        client_id: str,
        *,
        secret: str = "",
        permissions: Iterable[client_service_pb2.Permission] = EVERY_PERMISSION,
        acts_for: Iterable[str] = (EVERY_CLIENT,),
        answers_for: Iterable[str] = (),
        **token_policy: Any,
    ) -> None:
        """Register a client that may do everything that it is not told otherwise; from now on others are unknown.

        Without a `secret` it is known by any. `answers_for` are the audiences for which it introspects. The rest are
        fields of the contract's TokenPolicy, such as `scopes` and `access_ttl`; lifetimes are timedeltas.
        """
        client = open_client(client_id)
        client.secret = secret
        client.message.permissions[:] = permissions
        client.message.acts_for[:] = acts_for
        client.message.audiences[:] = answers_for
        client.message.token_policy.CopyFrom(client_service_pb2.TokenPolicy(**token_policy))
        client_service.check_modelled(client.message)
        with self._state.lock:
            client_service.register(self._state, client)

    def issue(self, subject: str, **fields: Any) -> pb.IssueResponse:
        """Issue tokens as another caller; `fields` are those of IssueRequest. Raises Refusal."""
        with self._state.lock:
            client_id = fields.pop("client_id", _TEST.client_id)
            if self._state.clients.find(client_id) is None:
                raise ValueError(f"no client {client_id!r} is registered: name one of those that are")
            request = pb.IssueRequest(subject=subject, client_id=client_id, **fields)
            return issue.issue(self._state, _TEST, request)

    def revoke(self, **target: Any) -> int:
        """End something as another caller; `target` are the fields of RevokeRequest. Answers the revision."""
        with self._state.lock:
            response = revoke.revoke(self._state, _TEST, pb.RevokeRequest(**target))
            self._state.lock.notify_all()
            return response.revision

    def rotate_key(self, *, immediately: bool = True) -> str:
        """Make the next signing key; answer its kid. Unless `immediately` it is only published for an hour."""
        request = key_service_pb2.RotateKeyRequest(purpose=key_service_pb2.KEY_PURPOSE_SIGNING, immediately=immediately)
        with self._state.lock:
            response = key_service.rotate_key(self._state, _TEST, request)
            self._state.lock.notify_all()
            return response.key.key_id

    def fail_next(
        self, method: str, reason: str = "STORE_UNAVAILABLE", *, times: int = 1, retry_after: float = 0.0
    ) -> None:
        """Refuse the next calls of a method, for example "Refresh", with `reason`; nothing is done for them.

        `retry_after` is what RetryInfo says, in seconds. A client that repeats calls by itself meets several of them.
        """
        refusal = Refusal(reason, "the test has asked for this", retry_after=retry_after)
        self._add_fault(method, Fault(refusal=refusal), times)

    def lose_next(self, method: str, *, times: int = 1) -> None:
        """Do what the next calls of a method ask for, and lose the answers: the callers see UNAVAILABLE."""
        self._add_fault(method, Fault(loses_answer=True), times)

    def delay(self, method: str) -> Held:
        """Let the next call of a method wait, before anything is done for it, until what is answered is released."""
        held = Held()
        self._add_fault(method, Fault(held=held), 1)
        return held

    def mute(self) -> None:
        """Let the streams of revocations say nothing, not even heartbeats, from now on."""
        with self._state.lock:
            self._feed.is_muted = True

    def cut_streams(self) -> None:
        """End the streams of revocations that there are with UNAVAILABLE; new ones may begin."""
        with self._state.lock:
            self._feed.cut()
            self._state.lock.notify_all()

    def recover(self) -> None:
        """Let everything go well again: nothing is refused, lost, held or muted."""
        with self._state.lock:
            self._faults.clear()
            self._feed.is_muted = False
            self._state.lock.notify_all()

    def _add_fault(self, method: str, fault: Fault, times: int) -> None:
        with self._state.lock:
            self._faults.add(method, fault, times)
