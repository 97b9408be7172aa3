"""Scenes for threads and for asyncio: every test that takes one is run with both."""

from collections.abc import Callable, Iterator

import pytest
from tokensvc_client.verification import VerificationPolicy

from tests.client.verification.scene import Scene

MakeScene = Callable[[VerificationPolicy], Scene]


@pytest.fixture(params=["threads", "asyncio"])
def make_scene(request: pytest.FixtureRequest) -> Iterator[MakeScene]:
    """Makes a scene with a policy."""
    scenes: list[Scene] = []

    def make(policy: VerificationPolicy) -> Scene:
        scenes.append(Scene(policy, is_async=request.param == "asyncio"))
        return scenes[-1]

    yield make
    for scene in scenes:
        scene.close()


@pytest.fixture
def scene(make_scene: MakeScene) -> Scene:
    """A scene with the default policy."""
    return make_scene(VerificationPolicy())
