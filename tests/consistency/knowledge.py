"""Owns what a client process knows of the families of tokens, its own and those that the others told it of."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from random import Random

from tokensvc.domain.refresh_token import parse

_LIVE = 50
_OLD = 400
_ACCESS_TOKENS = 8
_REFRESH_TOKENS = 8  # of those that are not told apart by a generation


@dataclass(frozen=True)
class News:
    """What an answer gave away about a family, as the processes tell it to each other."""

    session: str
    subject: str
    device: str
    client: str
    refresh_token: str = ""
    access_token: str = ""
    ended: bool = False


@dataclass
class Known:
    """A family as far as it is known here. Its refresh tokens stand by their generations."""

    session: str
    subject: str
    device: str
    client: str
    refresh_tokens: dict[int, str] = field(default_factory=dict)
    access_tokens: list[str] = field(default_factory=list)
    ended: bool = False
    private: bool = False
    """Whether the other processes are not told of it, so that it lives longer."""

    @property
    def newest(self) -> int:
        """The highest generation known."""
        return max(self.refresh_tokens)

    @property
    def tokens(self) -> list[str]:
        """All tokens known."""
        return [*self.access_tokens, *self.refresh_tokens.values()]

    def news(self, refresh_token: str = "", access_token: str = "", *, ended: bool = False) -> News:
        """Something to tell the others about it."""
        return News(self.session, self.subject, self.device, self.client, refresh_token, access_token, ended)


class Knowledge:
    """Families to work with, and some of those that were worked with before."""

    def __init__(self, chance: Random) -> None:
        self._chance = chance
        self._live: dict[str, Known] = {}
        self._old: dict[str, Known] = {}

    def learn(self, news: News) -> Known | None:
        """Take in what was told; answer the family, if it can be worked with."""
        family = self._live.get(news.session) or self._old.get(news.session)
        if family is None:
            if not news.refresh_token:
                return None  # forgotten here, and no token to begin with
            family = Known(news.session, news.subject, news.device, news.client)
            self._live[news.session] = family
        if body := parse(news.refresh_token):
            family.refresh_tokens[int.from_bytes(body[17:21], "big")] = news.refresh_token
        elif news.refresh_token and news.refresh_token not in family.refresh_tokens.values():
            family.refresh_tokens[family.newest + 1 if family.refresh_tokens else 0] = news.refresh_token
            family.refresh_tokens.pop(family.newest - _REFRESH_TOKENS, None)
        if news.access_token and news.access_token not in family.access_tokens:
            family.access_tokens.append(news.access_token)
            if len(family.access_tokens) > _ACCESS_TOKENS:
                del family.access_tokens[self._chance.randrange(_ACCESS_TOKENS)]
        family.ended |= news.ended
        self._retire()
        return family

    def _retire(self) -> None:
        """Move families to the old ones, first those that have ended, and drop old ones at random."""
        while len(self._live) > _LIVE:
            ended = (family for family in self._live.values() if family.ended)
            family = next(ended, next(iter(self._live.values())))
            self._old[family.session] = self._live.pop(family.session)
        while len(self._old) > _OLD:
            del self._old[self._chance.choice(list(self._old))]

    def pick(self) -> Known | None:
        """A family that lives: mostly one of the newest, so that many work with the same; now and then an old one."""
        draw = self._chance.random()
        old = self._chance.choice(list(self._old.values())) if self._old and draw < 0.2 else None
        if old and not old.ended:
            return old
        living = [family for family in self._live.values() if not family.ended]
        if not living:
            return None
        return self._chance.choice(living[-6:] if draw > 0.5 else living)

    def pick_any(self) -> Known | None:
        """A family to look at: now and then one that has ended, or is old."""
        if self._chance.random() < 0.7:
            return self.pick()
        families = list((self._live if self._chance.random() < 0.5 else self._old or self._live).values())
        return self._chance.choice(families) if families else None

    def matching(self, **values: str) -> Iterator[Known]:
        """The families to work with that have these values."""
        for family in list(self._live.values()):
            if all(getattr(family, name) == value for name, value in values.items()):
                yield family

    @property
    def all(self) -> Iterable[Known]:
        """Every family known."""
        return [*self._live.values(), *self._old.values()]
