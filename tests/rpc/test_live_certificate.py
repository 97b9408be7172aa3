"""When the certificate is read from its files again, and what happens when they cannot be used."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.certificates import LONG_AGO, Authority, Pair, new_key, pem_of
from tests.fakes import FakeClock
from tests.rpc.secured import Stopwatch
from tokensvc.crypto.server_certificate import CertificateFiles
from tokensvc.domain.certificate import ServerCertificate
from tokensvc.rpc.live_certificate import LiveCertificate

AUTHORITY = Authority()
STAYS = "the new certificate cannot be used, the one before stays"


@dataclass
class Files:
    """The files of a server's certificate, and how often they were read."""

    directory: Path
    reads: int = 0
    while_reading: Callable[[], Any] = lambda: None

    def write(self, pair: Pair) -> None:
        """Replace certificate and key."""
        pair.write(self.directory, "server")

    def path(self, name: str) -> Path:
        """One of the files."""
        return self.directory / name

    def reader(self, *, mutual: bool) -> Callable[[], ServerCertificate]:
        """What a live certificate reads by."""
        names = ("server.crt", "server.key", "clients.crt") if mutual else ("server.crt", "server.key")
        files = CertificateFiles(*map(self.path, names))

        def read() -> ServerCertificate:
            self.reads += 1
            self.while_reading()
            return files.read()

        return read


@pytest.fixture
def files(tmp_path: Path) -> Files:
    """A certificate, its key, and the authorities of clients."""
    files = Files(tmp_path)
    files.write(AUTHORITY.server())
    files.path("clients.crt").write_bytes(AUTHORITY.certificate)
    return files


@pytest.fixture
def stopwatch() -> Stopwatch:
    """Seconds since the start."""
    return Stopwatch()


def live(files: Files, stopwatch: Stopwatch, *, mutual: bool = False) -> LiveCertificate:
    """A certificate that is looked at for the first time one second after the start."""
    certificate = LiveCertificate(files.reader(mutual=mutual), FakeClock(), stopwatch)
    certificate.fetch()
    files.reads = 0
    stopwatch.now += 1
    return certificate


def test_files_are_looked_at_once_a_second_at_most(files: Files, stopwatch: Stopwatch) -> None:
    """However many connect; and not at all while nobody does."""
    certificate = live(files, stopwatch)
    for moment in (1.0, 1.5, 1.9, 2.0, 2.1, 900.0):
        stopwatch.now = moment
        assert certificate.fetch() is None
    assert files.reads == 3


def test_a_handshake_does_not_wait_for_one_that_looks(files: Files, stopwatch: Stopwatch) -> None:
    """While the files are read for one, another one goes on with what there is."""
    certificate = live(files, stopwatch)
    meanwhile: list[object] = []
    files.while_reading = lambda: meanwhile.append(certificate.fetch())
    files.write(AUTHORITY.server())
    assert certificate.fetch() is not None
    assert meanwhile == [None]


def test_where_clients_have_certificates_each_look_ends_the_sessions(files: Files, stopwatch: Stopwatch) -> None:
    """A new configuration comes with each look, though nothing has changed: sessions of the one before are over."""
    certificate = live(files, stopwatch, mutual=True)
    assert certificate.fetch() is not None
    assert certificate.fetch() is None
    stopwatch.now += 1
    assert certificate.fetch() is not None


def half(files: Files) -> str:
    """A certificate that is just being written."""
    content = AUTHORITY.server().chain
    files.path("server.crt").write_bytes(content[: len(content) // 2])
    return "server.crt"


def half_a_chain(files: Files) -> str:
    """A chain of which the first certificate is there, and a part of the next."""
    pair = AUTHORITY.server()
    files.write(pair)
    files.path("server.crt").write_bytes(pair.chain + AUTHORITY.certificate[:200])
    return "server.crt"


def another_key(files: Files) -> str:
    """The key of another certificate."""
    files.path("server.key").write_bytes(pem_of(new_key()))
    return "server.key"


def missing(files: Files) -> str:
    """No key."""
    files.path("server.key").unlink()
    return "server.key"


def empty_authorities(files: Files) -> str:
    """Nobody whose clients would be taken."""
    files.path("clients.crt").write_bytes(b"")
    return "clients.crt"


def expired(files: Files) -> str:
    """A certificate whose time is over, where that of the one before is not."""
    files.write(AUTHORITY.server(until=LONG_AGO))
    return "server.crt"


@pytest.mark.parametrize("spoil", [half, half_a_chain, another_key, missing, empty_authorities, expired])
def test_a_wrong_set_of_files_keeps_what_there_was(
    files: Files, stopwatch: Stopwatch, spoil: Callable[[Files], str]
) -> None:
    """The one before stays in use, and one warning says which file is wrong. What is right again is used again."""
    certificate = live(files, stopwatch, mutual=True)
    before = certificate.current
    named = spoil(files)
    with capture_logs() as logs:
        for _ in range(5):
            certificate.fetch()
            stopwatch.now += 1
    assert certificate.current == before
    assert [(entry["log_level"], entry["event"]) for entry in logs] == [("warning", STAYS)]
    assert str(files.path(named)) in logs[0]["error"]

    replacement = AUTHORITY.server()
    files.write(replacement)
    files.path("clients.crt").write_bytes(AUTHORITY.certificate)
    with capture_logs() as logs:
        assert certificate.fetch() is not None
    assert certificate.current.chain == replacement.chain
    assert [entry["event"] for entry in logs] == ["the certificate was replaced"]


def test_what_is_wrong_again_is_said_again(files: Files, stopwatch: Stopwatch) -> None:
    """A warning comes once for each time that the files become wrong, also when the old ones are put back meanwhile."""
    certificate = live(files, stopwatch)
    key = files.path("server.key").read_bytes()
    with capture_logs() as logs:
        for _ in range(2):
            missing(files)
            assert certificate.fetch() is None
            files.path("server.key").write_bytes(key)
            stopwatch.now += 1
            assert certificate.fetch() is None
            stopwatch.now += 1
    assert [entry["event"] for entry in logs] == [STAYS, STAYS]


def test_links_that_are_turned_to_other_files_are_followed(tmp_path: Path, stopwatch: Stopwatch) -> None:
    """As Kubernetes replaces a secret: the files are links through `..data`, which is turned to another directory."""
    mounted = Files(tmp_path)
    versions = [AUTHORITY.server() for _ in range(2)]
    for place, pair in enumerate(versions):
        (tmp_path / f"..{place}").mkdir()
        pair.write(tmp_path / f"..{place}", "server")
    (tmp_path / "..data").symlink_to("..0")
    for name in ("server.crt", "server.key"):
        mounted.path(name).symlink_to(f"..data/{name}")
    certificate = live(mounted, stopwatch)
    assert certificate.current.chain == versions[0].chain
    (tmp_path / "..data_tmp").symlink_to("..1")
    (tmp_path / "..data_tmp").rename(tmp_path / "..data")
    assert certificate.fetch() is not None
    assert certificate.current.chain == versions[1].chain


def test_an_expired_certificate_is_said_loudly_at_the_start(files: Files, stopwatch: Stopwatch) -> None:
    """The server starts all the same, because its operator may have nothing better; the next one is taken."""
    files.write(AUTHORITY.server(until=LONG_AGO))
    with capture_logs() as logs:
        certificate = live(files, stopwatch)
    assert [(entry["log_level"], entry["file"], entry["not_after"]) for entry in logs] == [
        ("warning", str(files.path("server.crt")), "2001-01-01T00:00:00+00:00")
    ]
    files.write(AUTHORITY.server())
    assert certificate.fetch() is not None
