"""A token has one spelling, and a signature one form: everything beside them is refused."""

import base64
import json
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from hypothesis import given
from hypothesis import strategies as st

from tests.crypto.forging import ORDER, TOKEN, Forger, base64url, der_signature, encoded, new_key, raw_signature
from tests.harness import ISSUER
from tokensvc.crypto.access_tokens import AccessTokenSigner
from tokensvc.domain.base64url import decode

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
KEY = new_key("hypothesis")
SIGNER = AccessTokenSigner([KEY], ISSUER)
SIGNED = SIGNER.sign(TOKEN)
STRANGER = new_key("stranger")

Signing = Callable[[ec.EllipticCurvePrivateKey, bytes], bytes]

misspelt = pytest.mark.parametrize(
    "misspelling",
    [
        "{}=",
        "{}==",
        "={}",
        "{}\n",
        "{}\r\n",
        "\n{}",
        " {}",
        "{} ",
        "{}\t",
        "{}\0",
        "{}A",
        "A{}",
        "{}+",
        "{}/",
        "{}é",
        "{}\u0663",
    ],
    ids=repr,
)


@misspelt
def test_a_misspelt_header_is_refused(signer: AccessTokenSigner, forger: Forger, misspelling: str) -> None:
    """Padding, white space and foreign characters in the header are refused, though the key has signed them."""
    assert signer.verify(forger.sealed(misspelling.format(encoded(forger.header())), encoded(forger.claims()))) is None


@misspelt
def test_misspelt_claims_are_refused(signer: AccessTokenSigner, forger: Forger, misspelling: str) -> None:
    """The same in the claims."""
    assert signer.verify(forger.sealed(encoded(forger.header()), misspelling.format(encoded(forger.claims())))) is None


@misspelt
def test_a_misspelt_signature_is_refused(signer: AccessTokenSigner, forger: Forger, misspelling: str) -> None:
    """The same in the signature, which nothing vouches for but itself."""
    signing_input, _, signature = forger.token().rpartition(".")
    assert signer.verify(f"{signing_input}.{misspelling.format(signature)}") is None


def with_bits_to_spare(value: object) -> str:
    """The segment of a JSON value, filled up with spaces so that its last character has four unused bits."""
    text = json.dumps(value)
    return encoded(text + " " * ((1 - len(text)) % 3))


def respelt(segment: str) -> list[str]:
    """The other spellings of a segment that a lenient decoder takes for the same bytes."""
    data = base64.urlsafe_b64decode(segment + "==")
    candidates = [segment[:-1] + character for character in ALPHABET if character != segment[-1]]
    return [other for other in candidates if base64.urlsafe_b64decode(other + "==") == data]


@pytest.mark.parametrize("part", ["header", "claims", "signature"])
def test_another_last_character_is_refused(signer: AccessTokenSigner, forger: Forger, part: str) -> None:
    """The bits that the last character has to spare are zero; fifteen other spellings are refused in each segment."""
    header, claims = with_bits_to_spare(forger.header()), with_bits_to_spare(forger.claims())
    good = forger.sealed(header, claims)
    assert signer.verify(good)
    others = {
        "header": [forger.sealed(other, claims) for other in respelt(header)],
        "claims": [forger.sealed(header, other) for other in respelt(claims)],
        "signature": [good.rpartition(".")[0] + "." + other for other in respelt(good.rpartition(".")[2])],
    }[part]
    assert len(others) == 15
    assert not any(map(signer.verify, others))


@given(st.binary(max_size=100))
def test_what_is_encoded_is_decoded(data: bytes) -> None:
    """The strict decoder refuses no canonical spelling."""
    assert decode(base64url(data)) == data


@given(st.text(st.sampled_from(ALPHABET + "+/= \n."), max_size=12))
def test_what_is_decoded_has_one_spelling(text: str) -> None:
    """Whatever the strict decoder accepts is exactly what the encoder would write."""
    data = decode(text)
    assert data is None or base64url(data) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "..",
        "...",
        SIGNED.replace(".", ""),
        SIGNED + ".",
        "." + SIGNED,
        SIGNED + ".e30",
        SIGNED.rpartition(".")[0],
        SIGNED.rpartition(".")[0] + ".",
        f"Bearer {SIGNED}",
        SIGNED + SIGNED,
    ],
    ids=lambda text: f"{text.count('.')} dots, {len(text)} long",
)
def test_other_numbers_of_segments_are_refused(text: str) -> None:
    """A token has three segments, none of them empty."""
    assert SIGNER.verify(text) is None


@given(st.data())
def test_a_changed_character_is_refused(data: st.DataObject) -> None:
    """No character of a signed token can be replaced by another one."""
    place = data.draw(st.integers(0, len(SIGNED) - 1))
    other = data.draw(st.sampled_from(ALPHABET) | st.characters())
    changed = SIGNED[:place] + other + SIGNED[place + 1 :]
    assert (SIGNER.verify(changed) is None) == (changed != SIGNED)


@given(st.text(max_size=200) | st.text(st.sampled_from(ALPHABET + "."), max_size=200))
def test_no_text_raises(text: str) -> None:
    """Whatever is presented, the answer is that it is no token."""
    assert SIGNER.verify(text) is None


def number(value: int) -> bytes:
    """A number as ES256 writes it."""
    return value.to_bytes(32, "big")


def parts(private: ec.EllipticCurvePrivateKey, data: bytes) -> tuple[int, int]:
    """The numbers r and s of a good signature."""
    return decode_dss_signature(der_signature(private, data))


SIGNATURES: dict[str, Signing] = {
    "DER": der_signature,
    "empty": lambda _key, _data: b"",
    "all zero": lambda _key, _data: bytes(64),
    "all ones": lambda _key, _data: b"\xff" * 64,
    "r = 0": lambda key, data: number(0) + number(parts(key, data)[1]),
    "s = 0": lambda key, data: number(parts(key, data)[0]) + number(0),
    "r = n": lambda key, data: number(ORDER) + number(parts(key, data)[1]),
    "s = n": lambda key, data: number(parts(key, data)[0]) + number(ORDER),
    "r = s = n": lambda _key, _data: number(ORDER) * 2,
    "r and s exchanged": lambda key, data: number(parts(key, data)[1]) + number(parts(key, data)[0]),
    "one byte short": lambda key, data: raw_signature(key, data)[:-1],
    "one byte long": lambda key, data: raw_signature(key, data) + b"\0",
    "a zero in front": lambda key, data: b"\0" + raw_signature(key, data),
    "of other data": lambda key, data: raw_signature(key, data + b"."),
    "of another key": lambda _key, data: raw_signature(STRANGER.private, data),
}


@pytest.mark.parametrize("form", SIGNATURES)
def test_a_signature_of_another_form_is_refused(signer: AccessTokenSigner, forger: Forger, form: str) -> None:
    """A signature is r and s of 32 bytes each, both from 1 to n - 1, by the named key and over these bytes."""
    assert signer.verify(forger.token(signing=lambda data: SIGNATURES[form](forger.key.private, data))) is None
