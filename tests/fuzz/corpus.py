"""Owns the bytes that fuzzing begins with: files beside this one, a folder for each target, and what targets make."""

from pathlib import Path

from tests.fuzz.targets import TARGETS

_FOLDER = Path(__file__).with_name("corpus")


def begin_with(name: str) -> list[bytes]:
    """What a target begins with, in a fixed order."""
    files = sorted(path for path in (_FOLDER / name).glob("*") if path.is_file())
    return [b"", *TARGETS[name].seeds(), *(path.read_bytes() for path in files)]
