"""Owns the targets: each takes any bytes, and fails if what reads them does anything but to accept or to refuse."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache

import grpc
from cryptography import x509
from google.protobuf.message import Message
from tokensvc_pb.v1 import token_service_pb2 as pb

from tests.certificates import Authority
from tests.client_keys import Signer, by_assertion
from tests.fakes import FakeClock
from tests.fuzz.in_process import InProcess
from tests.harness import ISSUER
from tests.proofs import URI, a_phone
from tests.rpc.methods import OFFERED
from tokensvc.crypto.client_assertions import ClientAssertionVerifier
from tokensvc.crypto.dpop_proofs import read_proof
from tokensvc.crypto.jwk import JwkError, read_set
from tokensvc.crypto.peer_certificate import read_peer_certificate
from tokensvc.domain.client import Client
from tokensvc.domain.client_directory import ClientDirectory
from tokensvc.domain.http_uri import normalized
from tokensvc.domain.policy import RefreshTokenFormat

_METHODS = sorted(f"/{method.containing_service.full_name}/{method.name}" for method in OFFERED)
_REFUSALS = frozenset(grpc.StatusCode) - {grpc.StatusCode.UNKNOWN, grpc.StatusCode.INTERNAL}
_FRESH_AFTER = 20_000  # calls: a service over memory that is never pruned grows


@dataclass(frozen=True)
class Target:
    """What is to be fuzzed, and bytes to begin with beside those in the corpus."""

    run: Callable[[bytes], None]
    seeds: Callable[[], Sequence[bytes]] = tuple


class _Service:
    """A service that is made anew from time to time."""

    def __init__(self) -> None:
        self._calls = 0
        self._service = InProcess()

    def get(self) -> InProcess:
        self._calls += 1
        if self._calls % _FRESH_AFTER == 0:
            self._service.close()
            self._service = InProcess()
        return self._service


@cache
def _service() -> _Service:
    return _Service()


@cache
def _tokens() -> tuple[InProcess, dict[str, str]]:
    """A service, and a genuine token of each kind."""
    service = InProcess()
    refresh_tokens = {name.value: service.issue(client_id=name.value).refresh_token for name in RefreshTokenFormat}
    return service, {"access": service.issue().access_token} | refresh_tokens


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogatepass") if _is_text(data) else data.decode("latin-1")


def _is_text(data: bytes) -> bool:
    try:
        data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return False
    return True


def _genuine() -> Sequence[bytes]:
    return [token.encode() for token in _tokens()[1].values()]


def access_token(data: bytes) -> None:
    """No bytes but those of a token that was issued are an access token."""
    service, tokens = _tokens()
    text = _text(data)
    assert service.keys.access_tokens.verify(text) is None or text == tokens["access"]


def refresh_token(data: bytes) -> None:
    """No bytes but those of a token that was issued are a refresh token, whatever its format."""
    service, tokens = _tokens()
    text = _text(data)
    service.keys.refresh_tokens.is_one(text)
    assert service.keys.refresh_tokens.open(text) is None or text in tokens.values()


def introspection(data: bytes) -> None:
    """Whatever is introspected: the answer is that it is not active, or that it is no request; never an error."""
    service, tokens = _tokens()
    text = data.decode("utf-8", "replace")
    request = pb.IntrospectRequest(token=text).SerializeToString()
    code, answer = service.call("/tokensvc.v1.TokenService/Introspect", request)
    if code is not grpc.StatusCode.OK:
        assert code is grpc.StatusCode.INVALID_ARGUMENT, code
    elif text not in tokens.values():
        assert answer == b"", "a token that is not active has one answer"


def rpc(data: bytes) -> None:
    """Any bytes to any method, which the first byte chooses: an answer, or a status of the contract."""
    if not data:
        return
    method = _METHODS[data[0] % len(_METHODS)]
    code, _ = _service().get().call(method, data[1:])
    assert code is grpc.StatusCode.OK or code in _REFUSALS, (method, code)


def authorization(data: bytes) -> None:
    """Whatever stands in the metadata of a call: it is a caller that is known, or none."""
    entries = [("authorization", _text(line)) for line in data.split(b"\n", 2)]
    code, _ = _service().get().call("/tokensvc.v1.TokenService/Introspect", _INTROSPECT, entries)
    ((_, right),) = _service().get().operator.metadata
    is_right = [value.partition(" ")[2] for _, value in entries] == [right.partition(" ")[2]]  # a scheme has no case
    assert code is grpc.StatusCode.UNAUTHENTICATED or is_right, code


_INTROSPECT = pb.IntrospectRequest(token="x").SerializeToString()


def _requests() -> Sequence[bytes]:
    _, tokens = _tokens()
    samples: dict[str, Message] = {
        "Introspect": pb.IntrospectRequest(token=tokens["access"], max_staleness={"seconds": 5}),
        "Issue": pb.IssueRequest(
            subject="ada", scopes=["read"], device={"id": "phone"}, claims={"x": [1, {"y": None}]}
        ),
        "Refresh": pb.RefreshRequest(refresh_token=tokens["opaque"], scopes=["read"], context={"ip": "192.0.2.1"}),
        "Revoke": pb.RevokeRequest(device={"subject": "bob", "device_id": "phone"}, issued_before={"seconds": 5}),
        "BatchIntrospect": pb.BatchIntrospectRequest(tokens=list(tokens.values())),
        "Exchange": pb.ExchangeRequest(subject_token=tokens["access"], audiences=["api"], access_ttl={"seconds": 5}),
    }
    named = {f"/tokensvc.v1.TokenService/{name}": message for name, message in samples.items()}
    return [bytes([_METHODS.index(name)]) + message.SerializeToString() for name, message in named.items()]


def _headers() -> Sequence[bytes]:
    return [value.encode() for _, value in _service().get().operator.metadata]


def assertion(data: bytes) -> None:
    """No bytes but those that the client has signed are an assertion of it."""
    text = _text(data)
    _verifier().claimed_client(text)
    assert _verifier().verify(text, ClientDirectory(_SIGNERS), _CLOCK()) is None or text in _assertions()


def proof(data: bytes) -> None:
    """No bytes but those that the phone has signed are a proof of its key."""
    text = _text(data)
    found = read_proof(text)
    assert found is None or found.thumbprint not in _PHONES or text in _PHONES.values()


def uri(data: bytes) -> None:
    """The normal form of a URI is its own normal form, or there is none."""
    form = normalized(_text(data))
    assert form is None or normalized(form) == form


def jwk_set(data: bytes) -> None:
    """Whatever is registered as a key set: it is one, and all its keys are public, or it is refused."""
    with suppress(JwkError):
        assert all(key.algorithms for key in read_set(_text(data)))


def certificate(data: bytes) -> None:
    """Whatever a certificate is: it names somebody, or nobody."""
    read_peer_certificate(data)


_CLOCK = FakeClock()
_SIGNERS = {
    algorithm: Client(algorithm, **by_assertion(algorithm))
    for algorithm in ("ES256", "ES384", "EdDSA", "RS256", "PS256")
}


_PHONES = {phone.jkt: phone.proof() for phone in (a_phone(algorithm) for algorithm in _SIGNERS)}


@cache
def _verifier() -> ClientAssertionVerifier:
    return ClientAssertionVerifier(ISSUER)


@cache
def _assertions() -> frozenset[str]:
    return frozenset(Signer(algorithm, _CLOCK, algorithm).assertion() for algorithm in _SIGNERS)


def _key_sets() -> Sequence[bytes]:
    return [client.keys.jwks.encode() for client in _SIGNERS.values()]


def _certificates() -> Sequence[bytes]:
    names = (x509.UniformResourceIdentifier("spiffe://shop.test/till"), x509.DNSName("till.shop.test"))
    authority = Authority()
    return [authority.client(*names).chain, authority.server().chain, authority.certificate]


TARGETS = {
    "assertion": Target(assertion, lambda: [text.encode() for text in sorted(_assertions())]),
    "proof": Target(proof, lambda: [text.encode() for text in _PHONES.values()]),
    "uri": Target(uri, lambda: [URI.encode(), b"HTTP://a.test:80/%7e/./b/../c?d#e"]),
    "jwk_set": Target(jwk_set, _key_sets),
    "certificate": Target(certificate, _certificates),
    "access_token": Target(access_token, _genuine),
    "refresh_token": Target(refresh_token, _genuine),
    "introspection": Target(introspection, _genuine),
    "authorization": Target(authorization, _headers),
    "rpc": Target(rpc, _requests),
}
