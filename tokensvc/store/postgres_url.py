"""Owns the connection URIs of PostgreSQL in the forms in which people have them."""

from typing import Final
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

_SCHEMES: Final = ("postgres", "postgresql")

# What libpq understands and the driver would send to the server as a setting, which the server would refuse.
_FOR_LIBPQ_ALONE: Final = frozenset(
    {
        "channel_binding",
        "client_encoding",
        "connect_timeout",
        "fallback_application_name",
        "gssencmode",
        "keepalives",
        "keepalives_count",
        "keepalives_idle",
        "keepalives_interval",
        "load_balance_hosts",
        "sslcompression",
        "sslsni",
        "tcp_user_timeout",
    }
)


def data_source(url: str, *, writing: bool = True) -> str:
    """Answer what the driver takes for a URI like postgresql://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=verify-full.

    SQLAlchemy's form with a driver in the scheme is taken too. Of several hosts the one that may be written to is used,
    unless `target_session_attrs` says otherwise or nothing is to be written. Fails with ValueError, whose message does
    not show the URI, because there is a password in it.
    """
    try:
        parts = urlsplit(url)
        scheme = parts.scheme.partition("+")[0]
    except ValueError:
        raise ValueError("this is not a URL") from None
    if scheme not in _SCHEMES:
        raise ValueError("this does not begin with postgresql://")
    options = [(name, value) for name, value in parse_qsl(parts.query) if name not in _FOR_LIBPQ_ALONE]
    if writing and "target_session_attrs" not in dict(options):
        options.append(("target_session_attrs", "read-write"))
    query = urlencode(options, quote_via=quote)
    return f"postgresql://{parts.netloc}{parts.path}" + (f"?{query}" if query else "")
