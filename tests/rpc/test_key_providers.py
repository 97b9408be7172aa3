"""A service whose private keys are wrapped by a KMS or an HSM."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
from tokensvc_pb.v1 import key_service_pb2 as pb

from tests import fake_kms
from tests.fakes import FakeClock
from tests.harness import Caller, Service, failure, running_service
from tests.rpc.faults import second_node, through
from tests.rpc.steps import is_active, issue, refresh
from tests.softhsm import PIN
from tokensvc.domain.client import Permission
from tokensvc.domain.policy import HOUR

PURPOSES = (pb.KEY_PURPOSE_SIGNING, pb.KEY_PURPOSE_REFRESH_MAC, pb.KEY_PURPOSE_SESSION_MAC)


@dataclass(frozen=True)
class Scene:
    """A service, what was set for it, its administrator and a caller."""

    service: Service
    settings: dict[str, Any]
    admin: Caller
    bff: Caller

    async def rotate(self, **fields: Any) -> None:
        """Prepare the next key of each purpose."""
        for purpose in PURPOSES:
            await self.admin.RotateKey(pb.RotateKeyRequest(purpose=purpose, **fields))


@pytest.fixture(params=["fakekms", "pkcs11"])
def settings(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Which root key there is."""
    if request.param == "pkcs11":
        return {"root_key": request.getfixturevalue("hsm").new_key(), "pkcs11_pin": PIN}
    fake_kms.install(tmp_path / "site")
    monkeypatch.syspath_prepend(tmp_path / "site")
    return {"root_key": "fakekms:one"}


@pytest.fixture
async def scene(tmp_path: Path, clock: FakeClock, settings: dict[str, Any]) -> AsyncIterator[Scene]:
    """A service that was started with it, some time after its first keys were made."""
    async with running_service(tmp_path / "data", clock=clock, **settings) as service:
        clock.advance(days=1)
        admin = await service.caller("admin", permissions=frozenset({Permission.ADMIN}))
        yield Scene(service, settings, admin, await service.caller("bff"))


async def test_it_serves_while_keys_are_rotated(scene: Scene, clock: FakeClock) -> None:
    """Tokens from before a rotation and from after it are good, on a second node too; every key is wrapped there."""
    async with second_node(scene.service) as channel:
        other = through(scene.bff, channel)
        tokens = [await issue(scene.bff)]
        for algorithm in ("EdDSA", "PS256", "ES384"):
            await scene.admin.RotateKey(pb.RotateKeyRequest(purpose=PURPOSES[0], algorithm=algorithm))
            for purpose in PURPOSES[1:]:
                await scene.admin.RotateKey(pb.RotateKeyRequest(purpose=purpose))
            clock.advance(milliseconds=HOUR)
            tokens += [await refresh(other, tokens[-1].refresh_token), await issue(other)]
            for caller in (scene.bff, other):
                assert await is_active(caller, tokens[-1].access_token)
                assert await is_active(caller, tokens[-2].refresh_token)
    mark = f"tokensvc:{scene.settings['root_key'].partition(':')[0]}:".encode()
    assert [key.wrapped.startswith(mark) for key in await scene.service.store.keys()] == [True] * 12
    assert not scene.service.settings.root_key_path.exists()


async def test_it_starts_again(scene: Scene, tmp_path: Path, clock: FakeClock) -> None:
    """What the database holds opens at the next start."""
    token = (await issue(scene.bff)).refresh_token
    async with running_service(tmp_path / "data", clock=clock, **scene.settings) as again:
        bff = through(scene.bff, again.channel)
        assert await is_active(bff, token)
        assert await is_active(bff, (await refresh(bff, token)).access_token)


async def test_without_whoever_wraps_it_serves_and_makes_no_keys(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """The keys that are open stay so. A new one is refused with a reason to try again, and nothing is half done."""
    provider = scene.service.keys.maker.wrapper._first
    before = await scene.service.store.keys()
    with monkeypatch.context() as away:
        away.setattr(provider, "_answer", fake_kms.FakeKms.away)
        for purpose in PURPOSES:
            refused = await failure(scene.admin.RotateKey(pb.RotateKeyRequest(purpose=purpose)))
            assert (refused.code, refused.reason) == (grpc.StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE")
        issued = await issue(scene.bff)
        assert await is_active(scene.bff, (await refresh(scene.bff, issued.refresh_token)).access_token)
        assert await scene.service.store.keys() == before
    await scene.rotate()
    assert len(await scene.service.store.keys()) == 6
