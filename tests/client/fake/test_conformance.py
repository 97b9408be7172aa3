"""The fake answers as the service does: the same stories, told to both over gRPC, are answered alike."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tests.client.fake.stories import STORIES
from tests.client.fake.telling import Story, of_the_fake, of_the_service


@pytest.mark.parametrize("tell", STORIES, ids=lambda story: story.__name__)
async def test_the_fake_answers_as_the_service_does(
    tmp_path: Path, tell: Callable[[Story], Awaitable[list[str]]]
) -> None:
    """Each step of a story ends as it must, and both answer it with the same messages, claims and errors."""
    async with of_the_service(tmp_path) as of_service:
        expected = await tell(of_service)
    async with of_the_fake() as of_fake:
        await tell(of_fake)
    assert of_service.outcomes == expected
    assert of_fake.outcomes == expected
    for by_fake, by_service in zip(of_fake.answers, of_service.answers, strict=True):
        assert by_fake == by_service
