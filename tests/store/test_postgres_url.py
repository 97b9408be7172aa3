"""Connection URIs in the forms that people paste."""

import pytest

from tokensvc.store.postgres_url import data_source

PRIMARY = "target_session_attrs=read-write"


@pytest.mark.parametrize(
    ("pasted", "understood"),
    [
        ("postgres://ada:pw@db/tokens", f"postgresql://ada:pw@db/tokens?{PRIMARY}"),
        ("postgresql://db:5433/tokens", f"postgresql://db:5433/tokens?{PRIMARY}"),
        ("postgresql+asyncpg://db/tokens", f"postgresql://db/tokens?{PRIMARY}"),
        ("postgresql+psycopg2://db/tokens", f"postgresql://db/tokens?{PRIMARY}"),
        ("postgresql:///tokens?host=/run/postgresql", f"postgresql:///tokens?host=%2Frun%2Fpostgresql&{PRIMARY}"),
        ("postgresql://one:1,two:2/tokens", f"postgresql://one:1,two:2/tokens?{PRIMARY}"),
        (
            "postgresql://db/t?sslmode=verify-full&sslrootcert=/ca.pem",
            f"postgresql://db/t?sslmode=verify-full&sslrootcert=%2Fca.pem&{PRIMARY}",
        ),
        ("postgresql://db/t?sslmode=require&channel_binding=require", f"postgresql://db/t?sslmode=require&{PRIMARY}"),
        ("postgresql://db/t?connect_timeout=10", f"postgresql://db/t?{PRIMARY}"),
        ("postgresql://db/t?target_session_attrs=any", "postgresql://db/t?target_session_attrs=any"),
        ("postgresql://u%40h:p%2Fw%3F@db/t", f"postgresql://u%40h:p%2Fw%3F@db/t?{PRIMARY}"),
    ],
)
def test_a_uri_becomes_what_the_driver_takes(pasted: str, understood: str) -> None:
    """Schemes of every library are taken, TLS parameters kept, what libpq alone understands left out."""
    assert data_source(pasted) == understood


def test_a_copy_that_is_only_read_may_be_a_standby() -> None:
    """Of several hosts any will do where nothing is written."""
    assert data_source("postgresql://db/t", writing=False) == "postgresql://db/t"


@pytest.mark.parametrize(
    "wrong", ["", "db", "sqlite:///x", "mysql://ada:hidden@db/t", "postgresql://[::1/t", "host=db"]
)
def test_another_uri_is_refused_without_being_shown(wrong: str) -> None:
    """The message says what is wrong and never repeats the URI: there may be a password in it."""
    with pytest.raises(ValueError, match="this") as refused:
        data_source(wrong)
    assert "hidden" not in str(refused.value)
