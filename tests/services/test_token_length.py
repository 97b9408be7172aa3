"""How long a token may be: whatever is issued can be read back, whatever a refresh adds to it."""

import base64
import json
from typing import Any

import pytest

from tests.harness import policy_of
from tests.services.use_cases import UseCases
from tokensvc.domain.bounds import MAX_TOKEN
from tokensvc.domain.errors import Reason, RefusedError
from tokensvc.domain.policy import RefreshTokenFormat
from tokensvc.domain.session import ClientContext, Device
from tokensvc.services.token_set import TokenSet

KEY = "\U0001f511"  # a character that takes twelve bytes of JSON
LONG = KEY * 255


async def issued(use_cases: UseCases, length: int, **fields: Any) -> TokenSet | None:
    """What is issued with authentication methods of that many characters, with much else; None if it is refused."""
    methods = tuple(KEY * min(64, length - begin) for begin in range(0, length, 64))
    try:
        return await use_cases.issue(
            "app",
            subject=LONG,
            device=Device(LONG),
            acr=LONG,
            context=ClientContext(location=LONG),
            amr=methods,
            claims={"text": '"' * 700, "more": "x" * 2000},
            **fields,
        )
    except RefusedError as error:
        if error.reason is not Reason.INVALID_REQUEST:
            raise
        return None


def length_with_escapes(token: str) -> int:
    """How long a JWT is where all that is not ASCII is escaped, as Issue reckons, and as earlier versions write it."""
    header, claims, signature = token.split(".")
    text = json.dumps(json.loads(base64.urlsafe_b64decode(claims + "==")), separators=(",", ":"))
    return len(f"{header}.{base64.urlsafe_b64encode(text.encode()).decode().rstrip('=')}.{signature}")


@pytest.mark.parametrize("token_format", RefreshTokenFormat)
@pytest.mark.parametrize("access_only", [False, True], ids=["a session", "an access token alone"])
async def test_the_longest_that_is_issued_is_read_back(
    use_cases: UseCases, token_format: RefreshTokenFormat, access_only: bool
) -> None:
    """One character more is refused; the refresh names the longest place, and its tokens are read as well."""
    await use_cases.register("app", policy=policy_of(refresh_token_format=token_format))
    least, most = 1, 16 * 64
    while least < most:
        middle = (least + most + 1) // 2
        found = await issued(use_cases, middle, access_only=access_only)
        least, most = (middle, most) if found else (least, middle - 1)
    longest = await issued(use_cases, least, access_only=access_only)
    assert longest is not None
    assert await issued(use_cases, least + 1, access_only=access_only) is None
    tokens = [longest]
    if not access_only:
        tokens.append(await use_cases.refresh("app", longest.refresh_token, context=ClientContext(location=LONG)))
        assert await use_cases.introspect("app", tokens[-1].refresh_token)
    assert [await use_cases.introspect("app", one.access_token) is not None for one in tokens] == [True] * len(tokens)
    written = [text for one in tokens for text in (one.access_token, one.refresh_token) if "." in text]
    assert max(map(len, written)) <= max(map(length_with_escapes, written)) <= MAX_TOKEN
    assert max(map(length_with_escapes, written)) > MAX_TOKEN * 9 // 10
