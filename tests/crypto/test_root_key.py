"""The file with the root key: whole or not there, its owner's alone, and never overwritten."""

import base64
import os
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tokensvc.crypto.key_providers import open_providers
from tokensvc.crypto.root_keys import create_root_key, parse_root_key, read_root_keys
from tokensvc.domain.keys import RootKeyError

KEY = bytes(range(32))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the root key belongs."""
    return tmp_path / "root.key"


@pytest.fixture
def open_umask() -> Iterator[None]:
    """A process that hides nothing of what it creates, unless told to."""
    before = os.umask(0)
    yield
    os.umask(before)


def written(path: Path, text: str, mode: int = 0o600) -> Path:
    """A root key file made by hand."""
    path.write_text(text)
    path.chmod(mode)
    return path


def load_root_keys(path: Path) -> list[bytes]:
    """The root keys in a file, which must all be good ones."""
    text = read_root_keys(path)
    assert len(open_providers(text, str(path))) == len(text.split())
    return [parse_root_key(word, str(path)) for word in text.split()]


def test_a_created_key_can_be_loaded(path: Path) -> None:
    """A new root key is 32 bytes that nobody has chosen."""
    create_root_key(path)
    (key,) = load_root_keys(path)
    assert len(key) == 32
    assert key != bytes(32)


def test_two_keys_differ(tmp_path: Path) -> None:
    """Every installation has a root key of its own."""
    create_root_key(tmp_path / "one")
    create_root_key(tmp_path / "other")
    assert load_root_keys(tmp_path / "one") != load_root_keys(tmp_path / "other")


@pytest.mark.usefixtures("open_umask")
def test_only_the_owner_can_read_it(path: Path) -> None:
    """The file has mode 0600, whatever the umask."""
    create_root_key(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.usefixtures("open_umask")
def test_nobody_else_could_read_it_at_any_moment(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From its first byte on the key stands only in files that are the owner's alone."""
    modes: list[int] = []
    sync, link = os.fsync, os.link

    def note_and_sync(descriptor: int) -> None:
        modes.append(os.fstat(descriptor).st_mode)
        sync(descriptor)

    def note_and_link(source: str | Path, target: str | Path) -> None:
        modes.append(Path(source).stat().st_mode)
        link(source, target)

    monkeypatch.setattr(os, "fsync", note_and_sync)
    monkeypatch.setattr(os, "link", note_and_link)
    create_root_key(path)
    assert {stat.S_IMODE(mode) for mode in modes if stat.S_ISREG(mode)} == {0o600}


def test_a_key_that_is_there_stays(path: Path) -> None:
    """Whoever comes second leaves the first one's key alone, and is content with it."""
    written(path, base64.b64encode(KEY).decode())
    create_root_key(path)
    assert load_root_keys(path) == [KEY]


def test_of_many_creators_one_wins(path: Path) -> None:
    """Processes that start together all end up with one whole key, and with no other file beside it."""

    def create_and_load(_: int) -> bytes:
        create_root_key(path)
        return load_root_keys(path)[0]

    with ThreadPoolExecutor(8) as creators:
        found = set(creators.map(create_and_load, range(32)))
    assert len(found) == 1
    assert list(path.parent.iterdir()) == [path]


def test_a_failed_write_leaves_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the disk full there is no half key, and no other file that would be in the way later."""

    def disk_full(_: int) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "fsync", disk_full)
    with pytest.raises(OSError, match="no space"):
        create_root_key(path)
    assert list(path.parent.iterdir()) == []


def test_a_creator_that_died_half_way_is_no_obstacle(path: Path) -> None:
    """What a killed process left behind, one of our own number too, does not stop the next one."""
    written(path.with_name(f"{path.name}.{os.getpid()}"), "hal")
    create_root_key(path)
    assert len(load_root_keys(path)[0]) == 32


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_an_owners_file_is_accepted(path: Path, mode: int) -> None:
    """Reading is all that the owner needs."""
    assert load_root_keys(written(path, base64.b64encode(KEY).decode() + "\n", mode)) == [KEY]


def test_several_keys_are_read_in_their_order(path: Path) -> None:
    """One on each line, the one that wraps first."""
    other = bytes(range(32, 64))
    text = "\n".join(base64.b64encode(key).decode() for key in (other, KEY))
    assert load_root_keys(written(path, f"{text}\n\n")) == [other, KEY]


def test_a_place_that_is_no_file_is_refused(tmp_path: Path) -> None:
    """A pipe would have the start wait for ever."""
    os.mkfifo(tmp_path / "pipe", 0o600)
    for place in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(RootKeyError, match="not in a regular file"):
            load_root_keys(place)


@pytest.mark.parametrize("mode", [0o604, 0o640, 0o644, 0o602, 0o620, 0o610, 0o601, 0o666, 0o777], ids=oct)
def test_a_file_for_others_is_refused(path: Path, mode: int) -> None:
    """Any right of group or others is one too many; the message says what to do."""
    with pytest.raises(RootKeyError, match=f"chmod 600 {path}"):
        load_root_keys(written(path, base64.b64encode(KEY).decode(), mode))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "canary",
        "canary canary canary",
        base64.b64encode(b"canary").decode(),
        base64.b64encode(KEY + b"x").decode(),
        base64.b64encode(KEY[:31]).decode(),
        base64.b64encode(KEY).decode()[:-1],
        KEY.hex(),
        "\udcff",
    ],
    ids=lambda text: f"{len(text)} long",
)
def test_anything_but_a_key_is_refused(path: Path, text: str) -> None:
    """Too short, too long or not base64 is refused, and the message repeats nothing of it."""
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    path.chmod(0o600)
    with pytest.raises(RootKeyError) as caught:
        load_root_keys(path)
    assert not text or text not in str(caught.value)


def test_a_missing_file_is_refused(path: Path) -> None:
    """Without its root key the service does not make up another one by itself."""
    with pytest.raises(RootKeyError, match="No such file"):
        load_root_keys(path)
    assert not path.exists()
