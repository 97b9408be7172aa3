"""Owns the channel to the service: how it is found, secured and kept alive, and how long messages may be."""

import ipaddress
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import grpc
import grpc.aio

_OPTIONS: Final[tuple[tuple[str, int | str], ...]] = (
    # Over the addresses that a name stands for. Nothing is retried by gRPC: whether a call may be repeated depends on
    # what it carries (a proof, an idempotency key), and a service configuration knows its method alone.
    ("grpc.service_config", json.dumps({"loadBalancingConfig": [{"round_robin": {}}]})),
    # The service allows one ping each ten seconds, also without calls. A connection that died in silence is noticed so.
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    # A service that comes back, as after a restart, is found soon.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 5_000),
    # What the service takes, and what it sends.
    ("grpc.max_send_message_length", 8 * 1024 * 1024),
    ("grpc.max_receive_message_length", 4 * 1024 * 1024),
    # An assertion stands for its connection, and another certificate needs another one: they are shared with nobody.
    ("grpc.use_local_subchannel_pool", 1),
)
_WITHOUT_PROXY: Final = (("grpc.enable_http_proxy", 0),)


@dataclass(frozen=True)
class Tls:
    """How the connection is secured. Files are in PEM, and read again when they have changed.

    `ca_file` has the authorities that the service's certificate must be from, the usual ones if it is None.
    `certificate_file` (with the chain above it) and `private_key_file` are what this program shows of itself; only
    together. `server_name` is the name in the service's certificate, where it is not that of the address.
    """

    ca_file: Path | str | None = None
    certificate_file: Path | str | None = None
    private_key_file: Path | str | None = field(default=None, repr=False)
    server_name: str = ""

    def __post_init__(self) -> None:
        if (self.certificate_file is None) != (self.private_key_file is None):
            raise ValueError("certificate_file and private_key_file: only together")

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that it is made of."""
        named = (self.ca_file, self.certificate_file, self.private_key_file)
        return tuple(Path(file) for file in named if file is not None)

    def credentials(self) -> grpc.ChannelCredentials:
        """Read the files; fails with OSError."""
        ca, chain, key = (
            Path(file).read_bytes() if file is not None else None
            for file in (self.ca_file, self.certificate_file, self.private_key_file)
        )
        return grpc.ssl_channel_credentials(ca, key, chain)


@dataclass(frozen=True)
class Endpoint:
    """Where the service is: a gRPC target, such as "tokens.internal:50051" or "dns:///tokens.internal:50051"."""

    target: str
    tls: Tls | None = None
    insecure: bool = False

    def __post_init__(self) -> None:
        if self.tls is None and not self.insecure and not is_local(self.target):
            raise ValueError("target: in plaintext on loopback only; give tls=Tls(), or insecure=True")

    def open(self) -> grpc.Channel:
        """A channel for threads. It connects when it is used."""
        if self.tls is None:
            return grpc.insecure_channel(self.target, self._options)
        return grpc.secure_channel(self.target, self.tls.credentials(), self._options)

    def open_aio(self) -> grpc.aio.Channel:
        """A channel for the event loop that runs. It connects when it is used."""
        if self.tls is None:
            return grpc.aio.insecure_channel(self.target, self._options)
        return grpc.aio.secure_channel(self.target, self.tls.credentials(), self._options)

    @property
    def _options(self) -> tuple[tuple[str, int | str], ...]:
        name = self.tls.server_name if self.tls is not None else ""
        # A proxy that the environment names must not see plaintext that is meant for this host.
        proxy = _WITHOUT_PROXY if self.tls is None else ()
        return (*_OPTIONS, *proxy, *((("grpc.ssl_target_name_override", name),) if name else ()))


def is_local(target: str) -> bool:
    """Whether nothing that is sent to `target` leaves this host: a loopback address, `localhost` or a Unix socket."""
    if target.startswith("unix:"):
        return True
    address = target.rpartition("/")[2]
    host = address.rpartition(":")[0] if not address.endswith("]") else address
    try:
        return host == "localhost" or ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
