"""Owns what is kept of where a request came from: keyed hashes of the part that counts, never the values themselves."""

import hmac
import ipaddress
import re

from tokensvc.domain.policy import BindingPolicy
from tokensvc.domain.refresh_token import bound_digest
from tokensvc.domain.session import ClientContext, Traces
from tokensvc.domain.value import value

_COMMENT = re.compile(r"\((?:[^()]|\([^()]*\))*\)?")
_SYSTEM = re.compile(r"\b(?:Android|iPhone|iPad|iOS|Macintosh|macOS|Windows|CrOS|Linux)")
_VERSION = re.compile(r"(?:^|[-_:])v?\d+(?![^\W_]).*")
_DIGEST = 11  # characters of base64url, 64 bits: enough to tell two places apart, too few to be a name


@value(frozen=True, slots=True)
class Place:
    """Where a request came from, as it is compared with the traces of one session: `handle` is the session's secret."""

    handle: bytes
    context: ClientContext

    def traces(self, policy: BindingPolicy) -> Traces:
        """What is kept of it; empty for what is not known."""
        return Traces(
            ip=self._ip_trace(policy) if self.context.ip else "",
            user_agent=self._user_agent_trace() if self.context.user_agent else "",
        )

    def is_ip_of(self, traces: Traces) -> bool:
        """Whether its address has the prefix that `traces` has kept, whatever length the policy now asks for."""
        length, _, digest = traces.ip.partition(".")
        return bool(self.context.ip) and hmac.compare_digest(self._prefix_digest(int(length)), digest)

    def is_user_agent_of(self, traces: Traces) -> bool:
        """Whether its user agent is of the family that `traces` has kept."""
        return bool(self.context.user_agent) and hmac.compare_digest(self._user_agent_trace(), traces.user_agent)

    def has_left(self, traces: Traces) -> bool:
        """Whether it is known to be another place than that of `traces`; what one side does not know tells nothing."""
        return bool(
            (traces.ip and self.context.ip and not self.is_ip_of(traces))
            or (traces.user_agent and self.context.user_agent and not self.is_user_agent_of(traces))
        )

    def _ip_trace(self, policy: BindingPolicy) -> str:
        is_short = isinstance(_address(self.context.ip), ipaddress.IPv4Address)
        length = policy.ipv4_prefix_length if is_short else policy.ipv6_prefix_length
        return f"{length}.{self._prefix_digest(length)}"

    def _user_agent_trace(self) -> str:
        return self._digest("user_agent", user_agent_family(self.context.user_agent))

    def _prefix_digest(self, length: int) -> str:
        address = _address(self.context.ip)
        bits = min(length, address.max_prefixlen)
        network = int(address) >> (address.max_prefixlen - bits)
        return self._digest("ip", f"{address.version}/{bits}/{network}")

    def _digest(self, name: str, value: str) -> str:
        return bound_digest(self.handle, name, value)[:_DIGEST]


def user_agent_family(text: str) -> str:
    """The names in a User-Agent header that no update changes: its products, and the systems that its comments name.

    Left out are versions, and what comments say beside the system: models, builds, languages.
    """
    products = [_product(word) for word in _COMMENT.sub(" ", text).split()]
    systems = [name for comment in _COMMENT.findall(text) for name in _SYSTEM.findall(comment)]
    return " ".join([*filter(None, products), *dict.fromkeys(systems)])


def _product(word: str) -> str:
    """The name in `name/version`; of any other word what is no version."""
    name, slash, _ = word.partition("/")
    return name if slash else _VERSION.sub("", word)


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """The address in `text`, which has been checked; one of IPv4 that is written as one of IPv6 is itself."""
    address = ipaddress.ip_address(text)
    return getattr(address, "ipv4_mapped", None) or address
