"""Owns addresses of the form HOST:PORT, and the rule that plaintext stays on loopback."""

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass

from tokensvc.cli.failures import USAGE, CommandError

_LAST_PORT = 65_535


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen or to call; an IPv6 host is without its brackets."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Whether no other machine can be reached by it."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where a server listens: `main` is for all RPCs, `health` for the health service alone, where that is wanted."""

    main: Address
    health: Address | None = None

    def bound(self, bind: Callable[[Address], Address], bind_health: Callable[[Address], Address]) -> "Endpoints":
        """The same with the ports that they get when each is bound."""
        return Endpoints(bind(self.main), None if self.health is None else bind_health(self.health))

    @property
    def addresses(self) -> tuple[Address, ...]:
        """One of them, or both."""
        return (self.main,) if self.health is None else (self.main, self.health)

    @property
    def ports(self) -> tuple[int, ...]:
        """The ports of the addresses."""
        return tuple(address.port for address in self.addresses)


def address_of(text: str, setting: str) -> Address:
    """Read the value of `setting`; fails unless it is an address."""
    host, _, port = text.rpartition(":")
    host = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if not host or not (port.isascii() and port.isdecimal()) or int(port) > _LAST_PORT or set(host) & set("/[]%, "):
        raise CommandError(f"{setting}: not of the form HOST:PORT, like 127.0.0.1:50051", exit_code=USAGE)
    return Address(host, int(port))


def plaintext_address(text: str, setting: str, *, insecure: bool) -> Address:
    """Read the value of `setting`; fails unless it is on loopback or `insecure` permits plaintext everywhere."""
    address = address_of(text, setting)
    if not (address.is_loopback or insecure):
        message = f"{setting}: {address} is not a loopback address, and secrets would travel there in plaintext; "
        message += "use TLS, or --insecure where the network itself is trusted"
        raise CommandError(message, exit_code=USAGE)
    return address
