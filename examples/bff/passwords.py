"""Toy passwords, so that the example has a login. Yours are elsewhere, hashed (argon2), and guessing them is slow."""

import hmac

_PASSWORDS = {"ada": "lovelace", "grace": "hopper"}


def is_right(user: str, password: str) -> bool:
    """Whether this is the user's password."""
    return hmac.compare_digest(_PASSWORDS.get(user, "").encode(), password.encode()) and user in _PASSWORDS
