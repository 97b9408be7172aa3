"""Owns the answers that are kept for a moment, for those who ask for the same again."""

import math
from collections import OrderedDict
from dataclasses import dataclass, replace
from datetime import timedelta

from tokensvc_client.relay.request import RefreshRequest, digest_of
from tokensvc_client.values.tokens import Tokens


@dataclass(frozen=True, slots=True)
class _Answer:
    tokens: Tokens
    at: float
    successor: bytes


class KeptAnswers:
    """The newest `most` answers, each for `span` seconds since it was asked for. One thread at a time may call.

    An answer is forgotten as soon as its refresh token is used: then the one before is for the service to judge.
    """

    def __init__(self, span: float, most: int) -> None:
        self._span = span
        self._most = most
        self._answers: OrderedDict[bytes, _Answer] = OrderedDict()
        self._of_successor: dict[bytes, bytes] = {}

    def find(self, key: bytes, now: float) -> Tokens | None:
        """What was answered to the request with the digest `key`, with the lifetimes that are left."""
        self._forget_old(now)
        answer = self._answers.get(key)
        if answer is None or now - answer.at >= self._span:
            return None
        age = timedelta(seconds=math.ceil(now - answer.at))
        tokens = answer.tokens
        if tokens.expires_in <= age:
            return None
        return replace(tokens, expires_in=tokens.expires_in - age, refresh_expires_in=tokens.refresh_expires_in - age)

    def keep(self, key: bytes, request: RefreshRequest, tokens: Tokens, asked_at: float) -> None:
        """Keep what was answered. Where the refresh token was not replaced it is no successor."""
        self._forget(key)
        is_replaced = tokens.refresh_token != request.refresh_token
        successor = digest_of(tokens.refresh_token) if is_replaced else b""
        self._answers[key] = _Answer(tokens, asked_at, successor)
        if is_replaced:
            self._of_successor[successor] = key
        while len(self._answers) > self._most:
            self._forget(next(iter(self._answers)))

    def used(self, refresh_token: str) -> None:
        """Somebody presents `refresh_token`."""
        key = self._of_successor.get(digest_of(refresh_token))
        if key is not None:
            self._forget(key)

    def _forget_old(self, now: float) -> None:
        while self._answers:
            key, answer = next(iter(self._answers.items()))
            if now - answer.at < self._span:
                return
            self._forget(key)

    def _forget(self, key: bytes) -> None:
        answer = self._answers.pop(key, None)
        if answer is not None and self._of_successor.get(answer.successor) == key:
            del self._of_successor[answer.successor]
