"""What a call looks like to those who ask who makes it."""

from dataclasses import dataclass

from tokensvc.rpc.caller import Metadata


@dataclass(frozen=True)
class FakeContext:
    """A call with this metadata, on the connection of this peer."""

    metadata: Metadata = ()
    address: str = "ipv4:192.0.2.7:50000"

    def invocation_metadata(self) -> Metadata:
        """As gRPC's."""
        return self.metadata

    def peer(self) -> str:
        """As gRPC's."""
        return self.address
