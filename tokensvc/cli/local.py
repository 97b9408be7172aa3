"""Owns work on the database itself, without a server in between: for an operator, also while a server runs."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from tokensvc.cli.failures import FAILED, CommandError, exit_code_of
from tokensvc.config import Settings
from tokensvc.domain.errors import RefusedError
from tokensvc.domain.keys import RootKeyError
from tokensvc.domain.policy import DAY
from tokensvc.ports import Store
from tokensvc.rpc.errors import CODES
from tokensvc.services.clients import Clients
from tokensvc.services.retention import Retention

T = TypeVar("T")


def with_clients(settings: Settings, work: Callable[[Clients], Awaitable[T]]) -> T:
    """Run `work` on the clients; what is refused fails with the exit code that a call to a server would have."""
    from tokensvc import app  # noqa: PLC0415 - imports the database's libraries, for which --help must not wait

    with failing_clearly(by_reason=True):
        return asyncio.run(_with_store(settings, lambda store: work(app.clients_of(store))))


def upgrade(settings: Settings) -> tuple[str | None, str | None]:
    """Bring the database to this version's schema; answer its revision before and after."""
    from tokensvc import app  # noqa: PLC0415 - see above

    with failing_clearly():
        return asyncio.run(app.upgrade_schema(settings))


def prune(settings: Settings, limit: int) -> int:
    """Delete what nothing needs any more, up to `limit` rows of a table at once; answer how many."""
    from tokensvc import app  # noqa: PLC0415 - see above

    async def work(store: Store) -> int:
        retention = Retention(store, app.system_clock, audit_retention=settings.audit_retention * DAY, batch=limit)
        await retention.prune()
        return retention.pruned.total()

    with failing_clearly():
        return asyncio.run(_with_store(settings, work))


def rewrap(settings: Settings) -> int:
    """Wrap the keys under the present root key; answer how many were not."""
    from tokensvc import app  # noqa: PLC0415 - see above

    async def work(store: Store) -> int:
        if not await store.keys():
            return 0  # to open the keys would make the first ones
        keys = await app.open_keys(store, settings, app.system_clock, os.urandom)
        return await app.key_administration(store, keys, settings).rewrap()

    with failing_clearly():
        return asyncio.run(_with_store(settings, work))


async def _with_store(settings: Settings, work: Callable[[Store], Awaitable[T]]) -> T:
    from tokensvc import app  # noqa: PLC0415 - see above

    store = app.open_store(settings)
    try:
        return await work(store)
    finally:
        await store.close()


@contextmanager
def failing_clearly(*, by_reason: bool = False) -> Iterator[None]:
    """Turn what the database, its directory or a use case refuses into a clear failure."""
    try:
        yield
    except RefusedError as error:
        code = CODES[error.reason]
        raise CommandError(
            _message(error),
            exit_code=exit_code_of(code.value[0]) if by_reason else FAILED,
            code=code.name,
            reason=error.reason.value,
            field=error.field,
        ) from error
    except RootKeyError as error:
        raise CommandError(str(error)) from error
    except OSError as error:
        raise CommandError(f"{error.strerror}: {error.filename}" if error.filename else str(error)) from error


def _message(error: RefusedError) -> str:
    """The refusal's message and, for the operator at the database, what its driver said."""
    said = getattr(error.__cause__, "orig", None)
    return f"{error}: {said}" if said is not None else str(error)
