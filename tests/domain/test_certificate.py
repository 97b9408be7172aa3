"""What a SPIFFE ID looks like."""

import pytest

from tokensvc.domain.certificate import is_spiffe_id


@pytest.mark.parametrize(
    "text", ["spiffe://shop.test/bff", "spiffe://shop/ns/prod/sa/bff", "spiffe://10.0.0.1/A_b-c.d", "spiffe://a/..."]
)
def test_a_workload_has_a_trust_domain_and_a_path(text: str) -> None:
    """The trust domain is in lower case, the path has one segment or more."""
    assert is_spiffe_id(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "spiffe://shop.test",
        "spiffe://shop.test/",
        "spiffe:///bff",
        "SPIFFE://shop.test/bff",
        "spiffe://Shop.test/bff",
        "spiffe://shop.test:443/bff",
        "spiffe://user@shop.test/bff",
        "spiffe://shop.test/bff/",
        "spiffe://shop.test//bff",
        "spiffe://shop.test/./bff",
        "spiffe://shop.test/a/..",
        "spiffe://shop.test/b%66f",
        "spiffe://shop.test/bff?x",
        "spiffe://shop.test/bff#x",
        "spiffe://shop.test/bff\n",
        "spiffe://shop.test/büf",
        "https://shop.test/bff",
        " spiffe://shop.test/bff",
        f"spiffe://{'a' * 256}/bff",
        f"spiffe://shop.test/{'a' * 2048}",
    ],
)
def test_whatever_else_is_none(text: str) -> None:
    """There is one spelling, so that two that are compared are the same exactly if they are equal."""
    assert not is_spiffe_id(text)
