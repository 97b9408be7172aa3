"""Every target over its corpus, and over what Hypothesis and chance make of that: a short run of `make fuzz`."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.corpus import begin_with
from tests.fuzz.targets import TARGETS

_DAMAGED = 300  # inputs of each target


@pytest.mark.parametrize("name", TARGETS)
def test_nothing_in_the_corpus_is_a_defect(name: str) -> None:
    """What was found once, and what is good, is read or refused."""
    for data in begin_with(name):
        TARGETS[name].run(data)


@pytest.mark.parametrize("name", TARGETS)
def test_no_damage_is_a_defect(name: str) -> None:
    """However that is changed, cut off or put together, it is read or refused."""
    chance, known = random.Random(name), begin_with(name)
    for _ in range(_DAMAGED):
        TARGETS[name].run(damaged(chance, known))


@pytest.mark.parametrize("name", TARGETS)
@settings(max_examples=100, deadline=None)
@given(data=st.binary(max_size=512))
def test_no_bytes_are_a_defect(name: str, data: bytes) -> None:
    """Nor are bytes that were never anything."""
    TARGETS[name].run(data)


def damaged(chance: random.Random, known: list[bytes]) -> bytes:
    """One of `known`, a few times changed."""
    data = bytearray(chance.choice(known))
    for _ in range(chance.randint(1, 4)):
        place, other = chance.randrange(len(data) + 1), chance.choice(known)
        at = chance.randrange(len(other) + 1)
        new = chance.choice([bytes([chance.randrange(256)]), other[at : at + 8], b""])
        data[place : place + chance.randint(0, 4)] = new
    return bytes(data)
