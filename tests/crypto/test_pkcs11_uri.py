"""The URI that names a key in a token."""

import pytest

from tokensvc.crypto.pkcs11_uri import Pkcs11Uri, parse_pkcs11_uri
from tokensvc.domain.keys import RootKeyError

MODULE = "?module-path=/usr/lib/softhsm/libsofthsm2.so"


def test_a_uri_says_where_a_key_is() -> None:
    """The token, the key and the library, with what is written in hexadecimal."""
    found = parse_pkcs11_uri(f"pkcs11:token=my%20token;object=r%C3%B6ot;id=%01%ff{MODULE}")
    assert found == Pkcs11Uri("/usr/lib/softhsm/libsofthsm2.so", {"token": "my token"}, "röot", b"\x01\xff")


def test_a_uri_as_tools_print_it() -> None:
    """They name the model, the maker and the serial number, and the type of the object."""
    path = "model=SoftHSM%20v2;manufacturer=SoftHSM%20project;serial=ea10;token=t;id=%01;type=secret-key"
    found = parse_pkcs11_uri(f"pkcs11:{path}{MODULE}")
    assert found.token == {"model": "SoftHSM v2", "manufacturer": "SoftHSM project", "serial": "ea10", "token": "t"}
    assert (found.label, found.key_id) == (None, b"\x01")


@pytest.mark.parametrize(
    ("uri", "why"),
    [
        ("pkcs11:", "which token"),
        (f"pkcs11:object=root{MODULE}", "which token"),
        (f"pkcs11:token=t{MODULE}", "which key"),
        ("pkcs11:token=t;object=root", "which library"),
        (f"pkcs11:token=t;object=root;slot-id=1{MODULE}", "nothing else"),
        (f"pkcs11:token=t;object=root;type=private{MODULE}", "its type"),
        (f"pkcs11:token=t;token=u;object=root{MODULE}", "token twice"),
        (f"pkcs11:token=;object=root{MODULE}", "or nothing of it"),
        (f"pkcs11:token=t;;object=root{MODULE}", "nothing else"),
        (f"pkcs11:token=%ff;object=root{MODULE}", "not UTF-8"),
        (f"pkcs11:token=t;object=root{MODULE}&module-name=x", "nothing else"),
        (f"pkcs11:token=t;object=root{MODULE}&pin-value=1234-canary", "setting pkcs11_pin"),
        (f"pkcs11:token=t;object=root{MODULE}&pin-source=/canary", "setting pkcs11_pin"),
    ],
)
def test_what_is_missing_or_too_much_is_refused(uri: str, why: str) -> None:
    """Nothing is ignored, and no value is repeated: one of them may be a PIN."""
    with pytest.raises(RootKeyError, match=why) as caught:
        parse_pkcs11_uri(uri)
    assert "canary" not in str(caught.value)
