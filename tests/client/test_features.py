"""The row of docs/features.md about what the client library does for those who check tokens: the shortest story."""

import time
from pathlib import Path

import pytest
from tokensvc_client import AsyncTokenClient, Secret
from tokensvc_client.revocations import AsyncRevocationFeed
from tokensvc_client.verification import AsyncClientSource, AsyncTokenVerifier, RevokedTokenError

from tests.fakes import FakeClock
from tests.harness import ISSUER, running_service
from tests.rpc.steps import until


async def test_row_31_batch_introspection_revocation_stream_local_verification(tmp_path: Path) -> None:
    """Many tokens are asked about at one state; what is revoked is streamed, and refused here without a call."""
    async with running_service(tmp_path, memory=True, clock=FakeClock(time.time_ns() // 1_000_000)) as service:
        bff = await service.caller("bff")
        async with AsyncTokenClient(f"127.0.0.1:{service.port}", credentials=Secret("bff", bff.secret)) as client:
            ada, bob = [(await client.issue(subject=name, audiences=["api"])).access_token for name in ("ada", "bob")]
            source = AsyncClientSource(client)
            async with AsyncRevocationFeed(source) as feed:
                verifier = AsyncTokenVerifier(ISSUER, source, feed)
                await feed.wait_until_fresh(10)
                assert (await verifier.verify(ada, audience="api")).subject == "ada"
                revoked = await client.revoke(subject="ada")
                batch = await client.batch_introspect([ada, bob])
                assert ([one.active for one in batch.results], batch.revision) == ([False, True], revoked.revision)
                await until(lambda: feed.revision >= revoked.revision)
                with pytest.raises(RevokedTokenError):
                    await verifier.verify(ada, audience="api")
