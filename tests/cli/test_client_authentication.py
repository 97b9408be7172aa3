"""`tokensvc client` for clients that authenticate by something else than a secret."""

from pathlib import Path

from tests.cli.conftest import Run, json_of
from tests.client_keys import jwks_of, public_jwk

JWKS = jwks_of(public_jwk())


def test_a_client_is_registered_with_its_keys(run: Run) -> None:
    """The set comes from a file; what is shown is how it authenticates, and no secret."""
    Path("bff.jwks").write_text(JWKS, encoding="utf-8")
    method = ("--auth-method", "private-key-jwt", "--jwks", "@bff.jwks", "--algorithm", "ES256")
    created = json_of(run("client", "create", "bff", "--data-dir", "d", *method, "--json"))
    assert (created["type"], created["auth_method"]) == ("CONFIDENTIAL", "private_key_jwt")
    assert created["keys"] == {"jwks": JWKS, "algorithms": ["ES256"]}
    assert "client_secret" not in created


def test_a_client_is_registered_with_the_name_of_its_certificate(run: Run) -> None:
    """Each of the three."""
    for flag, name in (
        ("--tls-spiffe-id", "spiffe://prod.test/bff"),
        ("--tls-dns-name", "bff.test"),
        ("--tls-sha256", "ab" * 32),
    ):
        created = json_of(
            run("client", "create", name[:3], "--data-dir", "d", "--auth-method", "tls", flag, name, "--json")
        )
        assert created["keys"] == {flag.removeprefix("--").replace("-", "_"): name}


def test_a_method_is_changed(run: Run) -> None:
    """The secret goes with it; back again, a new one is made."""
    run("client", "create", "bff", "--data-dir", "d")
    changed = json_of(
        run("client", "update", "bff", "--data-dir", "d", "--auth-method", "private_key_jwt", "--jwks", JWKS, "--json")
    )
    assert changed["auth_method"] == "private_key_jwt"
    refused = run("client", "rotate-secret", "bff", "--data-dir", "d", exit_code=67)
    assert "does not authenticate by a secret" in refused.stderr
    run("client", "update", "bff", "--data-dir", "d", "--auth-method", "secret")
    assert json_of(run("client", "rotate-secret", "bff", "--data-dir", "d", "--json"))["client_secret"]


def test_a_file_that_cannot_be_read_is_reported(run: Run) -> None:
    """By its option, before anything is done."""
    refused = run("client", "create", "bff", "--data-dir", "d", "--jwks", "@missing.jwks", exit_code=2)
    assert "cannot read the file" in refused.stderr
