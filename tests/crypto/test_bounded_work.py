"""How little a verifier does for a token that cannot be good: it looks up no key and checks no signature."""

import json
import tracemalloc
from collections.abc import Iterator, Mapping

import jwt
import pytest
from jwt.algorithms import Algorithm

from tests.crypto.forging import Forger, encoded, new_key
from tests.harness import ISSUER
from tokensvc.crypto import algorithms
from tokensvc.crypto.access_tokens import AccessTokenSigner
from tokensvc.crypto.key_ring import SigningKey
from tokensvc.domain.bounds import MAX_TOKEN


class CountingRing(Mapping[str, SigningKey]):
    """A key ring that counts how often a key is asked for."""

    def __init__(self, key: SigningKey) -> None:
        self._keys = {key.key_id: key}
        self.asked = 0

    def __getitem__(self, key_id: str) -> SigningKey:
        self.asked += 1
        return self._keys[key_id]

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)


class CountingAlgorithm:
    """A signature algorithm that counts how often a signature is checked."""

    def __init__(self, inner: Algorithm) -> None:
        self._inner = inner
        self.checked = 0

    def verify(self, data: bytes, key: object, signature: bytes) -> bool:
        """Count, and check."""
        self.checked += 1
        return bool(self._inner.verify(data, key, signature))


class Counted:
    """A signer whose work can be counted."""

    def __init__(self, key: SigningKey, monkeypatch: pytest.MonkeyPatch) -> None:
        self._algorithm = CountingAlgorithm(jwt.get_algorithm_by_name(key.algorithm))
        self._ring = CountingRing(key)
        monkeypatch.setitem(algorithms._JWT, key.algorithm, self._algorithm)
        self.signer = AccessTokenSigner([key], ISSUER)
        monkeypatch.setattr(self.signer, "_keys", self._ring)

    def refuses(self, text: str) -> tuple[int, int]:
        """Have `text` refused; answer how many keys were looked up and how many signatures checked for it."""
        before = self._ring.asked, self._algorithm.checked
        assert self.signer.verify(text) is None
        return self._ring.asked - before[0], self._algorithm.checked - before[1]

    def accepts(self, text: str) -> tuple[int, int]:
        """Have `text` accepted; answer the same."""
        before = self._ring.asked, self._algorithm.checked
        assert self.signer.verify(text) is not None
        return self._ring.asked - before[0], self._algorithm.checked - before[1]


@pytest.fixture
def counted(key: SigningKey, monkeypatch: pytest.MonkeyPatch) -> Counted:
    """The counted signer."""
    return Counted(key, monkeypatch)


def nested(depth: int) -> str:
    """A JSON object that is `depth` deep."""
    return '{"a":' * depth + "1" + "}" * depth


def test_a_good_token_costs_one_key_and_one_signature(counted: Counted, forger: Forger) -> None:
    """The counters count."""
    assert counted.accepts(forger.token()) == (1, 1)


def oversized(forger: Forger) -> dict[str, str]:
    """Tokens that are too much of something, signed by the right key where that makes a difference."""
    header, claims = forger.header(), forger.claims()
    return {
        "a header of 1 MB": forger.token({**header, "jku": "x" * 2**20}),
        "a header of 1 MB in a kid": forger.token({**header, "kid": "x" * 2**20}),
        "a kid of 10 kB": forger.token({**header, "kid": "k" * 10_000}),
        "claims of 1 MB": forger.token(claims={**claims, "tenant": "x" * 2**20}),
        "a signature of 1 MB": forger.token(signing=lambda _: bytes(2**20)),
        "100,000 dots": "." * 100_000,
        "100,000 dots behind a good token": forger.token() + "." * 100_000,
        "100,000 segments": ".".join([encoded(header)] * 100_000),
        "a header 60 deep": forger.sealed(encoded(nested(60)), encoded(claims)),
        "a header 1,000 deep": forger.sealed(encoded(nested(1000)), encoded(claims)),
        "a header 100,000 deep": forger.sealed(encoded(nested(100_000)), encoded(claims)),
        "10 MB of nothing": "A" * 10_000_000,
        "one character too long": forger.token().ljust(MAX_TOKEN + 1, "A"),
    }


OVERSIZED = list(oversized(Forger(new_key())))


@pytest.mark.parametrize("what", OVERSIZED)
def test_too_much_of_something_costs_nothing(counted: Counted, forger: Forger, what: str) -> None:
    """What is too long, too deep or has too many parts is refused before any key is looked up."""
    assert counted.refuses(oversized(forger)[what]) == (0, 0)


@pytest.mark.parametrize("kid", ["../../etc/passwd", "' OR 1=1 --", "k" * 300], ids=["path", "SQL", "long"])
def test_an_unknown_key_costs_no_signature(counted: Counted, forger: Forger, kid: str) -> None:
    """A key id that is not ours is looked up once, in memory, and that is all."""
    assert counted.refuses(forger.token(forger.header(kid=kid))) == (1, 0)


@pytest.mark.parametrize(
    "changes", [{"alg": "none"}, {"alg": "HS256"}, {"alg": "RS256"}], ids=lambda changes: changes["alg"]
)
def test_another_algorithm_costs_no_signature(counted: Counted, forger: Forger, changes: dict[str, str]) -> None:
    """Which algorithm is run is not for the token to say."""
    assert counted.refuses(forger.token(forger.header(**changes))) == (1, 0)


@pytest.mark.parametrize("type_", ["rt+jwt", "JWT", "dpop+jwt"])
def test_another_type_costs_nothing(counted: Counted, forger: Forger, type_: str) -> None:
    """A token that says of itself that it is something else is not looked into."""
    assert counted.refuses(forger.token(forger.header(typ=type_))) == (0, 0)


def test_claims_are_not_read_before_the_signature_is_checked(
    counted: Counted, forger: Forger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a forgery nothing but the header is parsed: what its claims hold reaches no parser."""
    text = forger.sealed(encoded(forger.header()), encoded(nested(1000)), signing=lambda _: bytes(64))
    parsed: list[str] = []
    loads = json.loads
    monkeypatch.setattr(json, "loads", lambda text, **options: parsed.append(text) or loads(text, **options))
    assert counted.refuses(text) == (1, 1)
    assert parsed == [json.dumps(forger.header())]


def test_deep_claims_are_refused_without_a_crash(counted: Counted, forger: Forger) -> None:
    """Even signed by the right key, claims that are nested too deeply to be parsed are just refused."""
    text = forger.sealed(
        encoded(forger.header()),
        encoded(json.dumps(forger.claims(tenant="deep")).replace('"deep"', "[" * 5000 + "]" * 5000)),
    )
    assert len(text) <= MAX_TOKEN
    assert counted.refuses(text) == (1, 1)


@pytest.mark.parametrize("what", ["100,000 dots", "10 MB of nothing", "a header of 1 MB"])
def test_too_much_of_something_takes_no_memory(counted: Counted, forger: Forger, what: str) -> None:
    """A refusal copies nothing of what it refuses."""
    text = oversized(forger)[what]
    tracemalloc.start()
    try:
        assert counted.signer.verify(text) is None
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 10_000
