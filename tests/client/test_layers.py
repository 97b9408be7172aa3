"""The arrows between the parts of the client library run as ARCHITECTURE.md draws them."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
import tokensvc_client

PACKAGE = Path(tokensvc_client.__file__).parent
CORE = "the clients"
# A part is a folder; the files directly in the package are the clients', with what these send and how.
PARTS = {
    CORE: set[str](),
    "revocations": set[str](),
    "verification": {"revocations", CORE},
    "guards": {"verification", CORE},
    "relay": {CORE},
    "service_token": {CORE},
    "testing": set[str](),
    "starlette": {"guards", "verification"},
    "fastapi": {"starlette", "verification"},
}
FILES = sorted(PACKAGE.rglob("*.py"))


def part_of(module: str) -> str:
    """The part that a module belongs to, by its name below the package."""
    first = module.split(".", maxsplit=1)[0]
    return first if first in PARTS else CORE


def arrows(source: str) -> Iterator[str]:
    """The modules of the package that are imported, wherever the import stands."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom):
            named = node.module or ""
            below = [f"{named}.{alias.name}" for alias in node.names] if named == "tokensvc_client" else [named]
            yield from (name.removeprefix("tokensvc_client.") for name in below if name.startswith("tokensvc_client."))
        elif isinstance(node, ast.Import):
            names = (alias.name for alias in node.names)
            yield from (name.removeprefix("tokensvc_client.") for name in names if name.startswith("tokensvc_client."))


def wrong(part: str, source: str) -> list[str]:
    """The imports that a part may not have."""
    return [target for target in arrows(source) if part_of(target) not in PARTS[part] | {part}]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_arrow_runs_the_wrong_way(path: Path) -> None:
    """A part imports only what stands below it."""
    module = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
    assert wrong(part_of(module), path.read_text(encoding="utf-8")) == []


def test_every_part_is_there() -> None:
    """The table names what exists, and no more."""
    assert {part_of(".".join(path.relative_to(PACKAGE).with_suffix("").parts)) for path in FILES} == PARTS.keys()


@pytest.mark.parametrize(
    ("part", "source"),
    [
        (CORE, "from tokensvc_client.guards import RequireToken"),
        ("revocations", "from tokensvc_client import TokenClient"),
        ("revocations", "import tokensvc_client.verification.judge"),
        ("testing", "from tokensvc_client.values.tokens import Tokens"),
        ("verification", "def late():\n    from tokensvc_client.guards.current import shown"),
    ],
)
def test_a_planted_arrow_is_found(part: str, source: str) -> None:
    """The check sees a wrong import in every spelling."""
    assert len(wrong(part, source)) == 1
