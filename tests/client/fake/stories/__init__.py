"""What is told to the fake and to the service alike; each story answers how its steps must end."""

from collections.abc import Awaitable, Callable

from tests.client.fake.stories.administering import marking_subjects, rotating_periodically, rotating_secrets
from tests.client.fake.stories.asking import (
    administering,
    changing_policies,
    exchanging,
    introspecting,
    leaving_traces,
    listing_sessions,
)
from tests.client.fake.stories.beginning import (
    issuing,
    issuing_again,
    issuing_the_impossible,
    limiting_sessions,
    refreshing,
    refreshing_in_vain,
    reusing,
)
from tests.client.fake.stories.ending import (
    changing_keys,
    expiring,
    revoking_everything,
    revoking_tokens,
    revoking_what_is_older,
)
from tests.client.fake.telling import Story

STORIES: tuple[Callable[[Story], Awaitable[list[str]]], ...] = (
    issuing,
    issuing_the_impossible,
    issuing_again,
    limiting_sessions,
    refreshing,
    refreshing_in_vain,
    reusing,
    revoking_tokens,
    revoking_everything,
    revoking_what_is_older,
    expiring,
    changing_keys,
    introspecting,
    exchanging,
    listing_sessions,
    changing_policies,
    administering,
    leaving_traces,
    rotating_secrets,
    marking_subjects,
    rotating_periodically,
)
