"""A token service in your test's process, on a clock that your test moves.

    with FakeTokenService() as fake:
        client = TokenClient(fake.target, ...)  # any client of tokensvc.v1, here or in another process
        fake.clock.advance(minutes=6)  # every access token of five minutes has expired now
        fake.revoke(subject="ada")

It speaks the real contract over real gRPC, without TLS, on a port of the loopback interface. What it answers is decided
as the service decides it: the same order of checks, the same reasons, the same claims in tokens that are really signed.

Where it is simpler than the service:
- Everything is kept in memory under one lock, by one node; a test's bad luck is asked for (`fail_next`, `lose_next`,
  `delay`, `mute`, `cut_streams`), it never comes by itself.
- Until a client is registered, whoever names itself may do everything, and no rate is limited.
- A client assertion is taken at its word: neither signature nor lifetime is looked at, and it may be shown on many
  connections, which the service refuses.
- A client of `add_client` may do everything, and have every scope and audience that it asks for, unless it is told
  otherwise.
- ClientService shows a client as it was described, without the defaults of its policy.
- Lengths and characters of fields are not checked, only what is missing, and what changes an outcome.
- Refresh tokens are opaque and rotate at every use or periodically. Other rotations and formats, bindings to device or
  place and sender constraints are refused with NOT_IMPLEMENTED, as are keys that sign nothing. A mark on a subject is
  kept, and nothing follows from it.
- DPoP proofs are taken at their word: one that is there is good. Exchange looks at no claim may_act.
- Every introspection is answered from the newest state, whatever staleness is allowed.
- A repeated Issue names the very same fields, its context aside.
- Keys sign with ES256 and follow each other only when somebody rotates them. Refresh tokens have one key for ever.
- Nothing expired is deleted. Audit events have no details, and refusals are not among them.
- A stream goes on when its caller loses its rights.
"""

from tokensvc_client.testing.calls import ReceivedCall
from tokensvc_client.testing.clock import FakeClock
from tokensvc_client.testing.errors import Refusal
from tokensvc_client.testing.faults import Held
from tokensvc_client.testing.server import FakeTokenService

__all__ = ["FakeTokenService", "FakeClock", "Held", "ReceivedCall", "Refusal"]
