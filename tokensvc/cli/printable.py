"""Owns making any text safe to print: nothing in it can end a line or steer a terminal."""


def printable(text: str) -> str:
    """Answer `text` with line breaks, control and invisible characters written as escapes."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
        for character in text
    )
