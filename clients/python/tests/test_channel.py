"""How the service is reached: plaintext at home alone, TLS, and certificates that are replaced."""

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
from certificates import Authority
from flavours import Flavour
from scripted import Refusal, Scripted, scripted, until
from tokensvc_client import AsyncTokenClient, Retries, Tls, TokenClient, UnavailableError
from tokensvc_client.channel import is_local
from tokensvc_client.connections import Connections

AUTHORITY = Authority()


@pytest.fixture
def tls(tmp_path: Path) -> Tls:
    """The certificate "one" for this program, in files."""
    (tmp_path / "ca.crt").write_bytes(AUTHORITY.certificate)
    AUTHORITY.pair("one.test").write(tmp_path / "client.crt", tmp_path / "client.key")
    return Tls(tmp_path / "ca.crt", tmp_path / "client.crt", tmp_path / "client.key")


@pytest.fixture
def secured() -> Iterator[Scripted]:
    """A server that wants certificates."""
    pair = AUTHORITY.pair("service.test")
    credentials = grpc.ssl_server_credentials(
        [(pair.private_key, pair.certificate)], AUTHORITY.certificate, require_client_auth=True
    )
    with scripted(credentials) as server:
        yield server


class Opened:
    """Connections whose channels are numbers, over a file and a clock."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.now = 0.0
        self.opened = 0
        self.fails = False
        self.connections: Connections[int] = Connections(self._open, [file], lambda: self.now)

    def _open(self) -> int:
        if self.fails:
            raise OSError
        self.opened += 1
        return self.opened

    def replace(self, text: str) -> None:
        """Write the file anew, and let it be time to look."""
        beside = self.file.with_suffix(".new")
        beside.write_text(text)
        beside.replace(self.file)
        self.now += 1


@pytest.fixture
def opened(tmp_path: Path) -> Opened:
    """Connections over the file "one"."""
    (tmp_path / "client.crt").write_text("one")
    return Opened(tmp_path / "client.crt")


@pytest.mark.parametrize(
    ("target", "local"),
    [
        ("127.0.0.1:50051", True),
        ("localhost:50051", True),
        ("[::1]:50051", True),
        ("dns:///localhost:50051", True),
        ("ipv4:127.0.0.1:50051", False),
        ("unix:/run/tokensvc.sock", True),
        ("tokens.internal:50051", False),
        ("localhost.evil.test:50051", False),
        ("dns:///tokens.internal:50051", False),
        ("10.0.0.1:50051", False),
        ("", False),
    ],
)
def test_which_targets_are_local(target: str, local: bool) -> None:
    """What cannot be told apart from another host is not."""
    assert is_local(target) is local


@pytest.mark.parametrize("kind", [TokenClient, AsyncTokenClient])
def test_plaintext_does_not_leave_this_host_by_accident(kind: Any) -> None:
    """A secret would be seen by others; it takes a word."""
    with pytest.raises(ValueError, match="plaintext"):
        kind("tokens.internal:50051")
    kind("tokens.internal:50051", insecure=True)
    kind("tokens.internal:50051", tls=Tls())


def test_certificate_and_key_come_together(tmp_path: Path) -> None:
    """One without the other is a mistake."""
    with pytest.raises(ValueError, match="only together"):
        Tls(certificate_file=tmp_path / "client.crt")


def test_a_certificate_is_shown(flavour: Flavour, secured: Scripted, tls: Tls) -> None:
    """The service sees whose it is."""
    flavour.client(secured.address, tls=tls).get_jwks()
    assert secured.calls[0].peer_names == ("one.test", "127.0.0.1")


def test_a_server_of_another_authority_is_not_believed(flavour: Flavour, secured: Scripted, tls: Tls) -> None:
    """Nothing is sent to it."""
    Path(str(tls.ca_file)).write_bytes(Authority().certificate)
    with pytest.raises(UnavailableError):
        flavour.client(secured.address, tls=tls, retries=Retries(attempts=1)).get_jwks()
    assert secured.calls == []


def test_the_name_in_the_certificate_can_be_said(flavour: Flavour, secured: Scripted, tls: Tls) -> None:
    """A name that the server's certificate has is taken, another is not."""
    good = Tls(tls.ca_file, tls.certificate_file, tls.private_key_file, server_name="service.test")
    flavour.client(secured.address, tls=good).get_jwks()
    bad = Tls(tls.ca_file, tls.certificate_file, tls.private_key_file, server_name="other.test")
    with pytest.raises(UnavailableError):
        flavour.client(secured.address, tls=bad, retries=Retries(attempts=1)).get_jwks()


def test_a_replaced_certificate_is_shown_by_the_next_call(
    flavour: Flavour, secured: Scripted, tls: Tls, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client takes it up by itself, without an error in between."""
    monkeypatch.setattr("tokensvc_client.connections._LOOK_EVERY", 0.0)
    client = flavour.client(secured.address, tls=tls)
    client.get_jwks()
    AUTHORITY.pair("two.test").write(tmp_path / "client.crt", tmp_path / "client.key")
    client.get_jwks()
    assert [asked.peer_names[0] for asked in secured.calls] == ["one.test", "two.test"]


def test_files_are_looked_at_once_a_moment(opened: Opened) -> None:
    """A change is taken up when it is time to look, not before."""
    connections = opened.connections
    connections.take()
    opened.replace("two")
    opened.now -= 1
    assert connections.take().channel == 1
    opened.now += 1
    assert connections.take().channel == 2


def test_an_older_channel_lives_as_long_as_its_calls(opened: Opened) -> None:
    """Who is the last to give it back closes it."""
    connections = opened.connections
    first, second = connections.take(), connections.take()
    opened.replace("two")
    third = connections.take()
    assert connections.give_back(first) == []
    assert connections.give_back(second) == [1]
    assert connections.give_back(third) == []


def test_an_older_channel_without_calls_is_closed_after_the_next_call(opened: Opened) -> None:
    """It does not stay open for nothing."""
    connections = opened.connections
    connections.give_back(connections.take())
    opened.replace("two")
    second = connections.take()
    assert second.channel == 2
    assert connections.give_back(second) == [1]
    assert connections.drain() == [2]


def test_files_that_cannot_be_read_change_nothing(opened: Opened) -> None:
    """They may be half replaced: the connection stays, and they are looked at again."""
    connections = opened.connections
    connections.take()
    opened.replace("two")
    opened.fails = True
    assert connections.take().channel == 1
    opened.fails = False
    opened.now += 1
    assert connections.take().channel == 2


def test_a_closed_client_says_so(flavour: Flavour, script: Scripted) -> None:
    """It does not open a connection again."""
    client = flavour.client(script.address)
    client.get_jwks()
    client.close()
    client.close()
    with pytest.raises(RuntimeError, match="closed"):
        client.get_jwks()


def test_calls_spread_over_all_addresses(flavour: Flavour, script: Scripted) -> None:
    """A name that stands for several servers is called at each in turn."""
    with scripted() as other:
        target = f"ipv4:{script.address},{other.address}"
        client = flavour.client(target, insecure=True)
        until(lambda: client.get_jwks() and script.calls and other.calls)
        before = len(script.calls), len(other.calls)
        for _ in range(10):
            client.get_jwks()
        assert (len(script.calls) - before[0], len(other.calls) - before[1]) == (5, 5)


@pytest.fixture
def silent(script: Scripted) -> Iterator[Scripted]:
    """A server that does not answer until the test is over."""
    is_over = threading.Event()
    script.script = lambda asked: Refusal(grpc.StatusCode.UNAVAILABLE, "late" if is_over.wait(10) else "later")
    yield script
    is_over.set()


CALLS = {"once": lambda client: client.issue(subject="ada"), "repeated": lambda client: client.introspect("token")}


async def _closed_while_waiting(silent: Scripted, call: Any) -> Any:
    client = AsyncTokenClient(silent.address)
    waits = asyncio.ensure_future(call(client))
    await asyncio.to_thread(silent.wait_for, 1)
    await client.close()
    return (await asyncio.gather(waits, return_exceptions=True))[0]


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_closing_tells_the_tasks_that_wait(silent: Scripted, call: Any) -> None:
    """Their call has failed, and is not repeated; they themselves are not cancelled."""
    error = asyncio.run(_closed_while_waiting(silent, call))
    assert (type(error), str(error)) == (UnavailableError, "the client was closed (CANCELLED)")


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_closing_tells_the_threads_that_wait(silent: Scripted, call: Any) -> None:
    """The same for threads."""
    client = TokenClient(silent.address)
    with ThreadPoolExecutor(1) as pool:
        waits = pool.submit(call, client)
        silent.wait_for(1)
        client.close()
        error = waits.exception(10)
    assert (type(error), str(error)) == (UnavailableError, "the client was closed (CANCELLED)")
