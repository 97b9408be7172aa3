"""The arrows between the layers, read from the imports: one direction, no cycles, one reader of the environment."""

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent / "tokensvc"


@dataclass(frozen=True)
class Layer:
    """What a layer may import: layers of this package, and distributions from outside by their top-level names."""

    inside: frozenset[str] = frozenset()
    outside: frozenset[str] = frozenset()


def layer(inside: str = "", outside: str = "") -> Layer:
    """A layer by two lists of names."""
    return Layer(frozenset(inside.split()), frozenset(outside.split()))


# A layer is a folder of the package, or a file directly in it. Every layer may import itself and the standard library.
LAYERS = {
    "domain": layer(),
    "ports": layer("domain"),
    "services": layer("domain ports", "structlog"),
    "gathering": layer(),
    "sharing": layer("domain"),
    "store": layer("domain ports gathering sharing", "sqlalchemy structlog alembic asyncpg orjson"),
    "crypto": layer("domain ports", "jwt cryptography orjson pkcs11"),
    "rpc": layer(
        "domain ports services gathering sharing", "grpc google grpc_health grpc_reflection tokensvc_pb structlog"
    ),
    "config": layer("", "pydantic pydantic_settings"),
    "app": layer("config domain ports services store crypto rpc", "grpc google tokensvc_pb"),
    "cli": layer(
        "app config domain ports services __init__", "click grpc google tokensvc_pb structlog pydantic uvloop"
    ),
    "__main__": layer("cli"),
    "__init__": layer(),
}

# Arrows from one module to another that its layer does not have, each with the reason why it is there.
EXCEPTIONS = {
    ("tokensvc.cli.local", "tokensvc.rpc.errors"): "a command fails with the code that a call to a server would have",
    ("tokensvc.cli.audit", "tokensvc.rpc.audit_service"): "the header with the place to go on is named in one place",
    ("tokensvc.cli.calling", "tokensvc.rpc.errors"): "the trailer with an error's details is named in one place",
}


def module_name(path: Path) -> str:
    """The dotted name of a file of the package."""
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {module_name(path): path for path in sorted(ROOT.rglob("*.py"))}
MODULES = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in FILES.items()}


def layer_of(module: str) -> str:
    """The layer that a module of the package belongs to."""
    return module.split(".")[1] if "." in module else "__init__"


def imports(module: str, tree: ast.AST, *, is_package: bool = False) -> Iterator[str]:
    """Every module that `module` imports, wherever the import stands: in a function or under TYPE_CHECKING too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = module.split(".")
                parents = parents[: len(parents) - node.level + is_package]
                base = ".".join([*parents, base] if base else parents)
            names = {f"{base}.{alias.name}" for alias in node.names}
            # `from package import module` is an arrow to the module, `from module import name` one to the module.
            submodules = names & FILES.keys()
            yield from submodules
            if submodules != names:
                yield base


def wrong_arrows(module: str, tree: ast.AST) -> list[str]:
    """The imports of `module` that its layer does not allow."""
    own = layer_of(module)
    allowed = LAYERS[own]
    found = []
    for target in imports(module, tree):
        top = target.split(".")[0]
        if top != "tokensvc":
            right = top in sys.stdlib_module_names or top in allowed.outside
        else:
            right = layer_of(target) in {own, *allowed.inside} or (module, target) in EXCEPTIONS
        if not right:
            found.append(f"{module} -> {target}")
    return found


def reads_environment(tree: ast.AST) -> bool:
    """Whether a module reads environment variables in any of the usual ways."""
    names = {"environ", "environb", "getenv", "getenvb"}
    return any(
        (isinstance(node, ast.Attribute) and node.attr in names)
        or (isinstance(node, ast.ImportFrom) and node.module == "os" and names & {alias.name for alias in node.names})
        for node in ast.walk(tree)
    )


def first_cycle(arrows: dict[str, set[str]]) -> list[str]:
    """The modules of one import cycle; none if there is no cycle."""
    try:
        TopologicalSorter(arrows).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_every_module_belongs_to_a_layer() -> None:
    """A new folder has to say where it stands before anything is put in it."""
    assert {layer_of(module) for module in MODULES} <= LAYERS.keys()
    assert len(MODULES) > 40


@pytest.mark.parametrize("module", MODULES)
def test_no_arrow_runs_the_wrong_way(module: str) -> None:
    """A module imports only what its layer may."""
    assert wrong_arrows(module, MODULES[module]) == []


@pytest.mark.parametrize(("module", "target"), EXCEPTIONS)
def test_every_exception_is_needed(module: str, target: str) -> None:
    """An exception goes when its import does."""
    assert target in set(imports(module, MODULES[module]))


def test_no_modules_import_each_other() -> None:
    """There is no circle of imports, not even under TYPE_CHECKING or inside a function."""
    arrows = {
        module: {
            target
            for target in imports(module, tree, is_package=FILES[module].name == "__init__.py")
            if target in MODULES and target != module
        }
        for module, tree in MODULES.items()
    }
    assert first_cycle(arrows) == []


def test_one_module_reads_the_environment() -> None:
    """What comes from the environment comes through the settings."""
    assert [module for module, tree in MODULES.items() if reads_environment(tree)] == ["tokensvc.config"]


PLANTED = [
    ("tokensvc.domain.planted", "import tokensvc.store.memory"),
    ("tokensvc.domain.planted", "import tokensvc.store.memory as domain"),
    ("tokensvc.domain.planted", "from tokensvc.ports import Store"),
    ("tokensvc.domain.planted", "from tokensvc import ports"),
    ("tokensvc.domain.planted", "from ..ports import Store"),
    ("tokensvc.domain.planted", "from .. import ports"),
    ("tokensvc.domain.planted", "import json, grpc"),
    ("tokensvc.domain.planted", "def late():\n    from tokensvc.services import issue"),
    ("tokensvc.domain.planted", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import sqlalchemy"),
    ("tokensvc.domain.planted", "try:\n    import uvloop\nexcept ImportError:\n    pass"),
    ("tokensvc.ports", "from tokensvc.services.call import Call"),
    ("tokensvc.services.planted", "from tokensvc.store.memory import MemoryStore"),
    ("tokensvc.services.planted", "from tokensvc.crypto import wrapping"),
    ("tokensvc.services.planted", "import tokensvc.rpc.errors"),
    ("tokensvc.services.planted", "from tokensvc.config import Settings"),
    ("tokensvc.services.planted", "import jwt"),
    ("tokensvc.store.planted", "from tokensvc.services.clients import Clients"),
    ("tokensvc.store.planted", "from tokensvc.crypto.wrapping import Wrapper"),
    ("tokensvc.store.planted", "from tokensvc.config import Settings"),
    ("tokensvc.crypto.planted", "from tokensvc.store import rows"),
    ("tokensvc.crypto.planted", "import grpc"),
    ("tokensvc.rpc.planted", "from tokensvc.store.sql_store import SqlStore"),
    ("tokensvc.rpc.planted", "from tokensvc.crypto.key_ring import MacKey"),
    ("tokensvc.rpc.planted", "from tokensvc import app"),
    ("tokensvc.rpc.planted", "import tokensvc.cli.main"),
    ("tokensvc.rpc.planted", "import sqlalchemy.exc"),
    ("tokensvc.config", "from tokensvc.domain.client import Client"),
    ("tokensvc.app", "from tokensvc.cli.main import main"),
    ("tokensvc.cli.planted", "from tokensvc.store.sqlite import SqliteDatabase"),
    ("tokensvc.cli.planted", "from tokensvc.crypto.wrapping import Wrapper"),
    ("tokensvc.cli.planted", "from tokensvc.rpc.errors import CODES"),
]


@pytest.mark.parametrize(("module", "source"), PLANTED)
def test_a_planted_arrow_is_found(module: str, source: str) -> None:
    """The check sees a wrong import in every spelling and every place."""
    assert len(wrong_arrows(module, ast.parse(source))) == 1


@pytest.mark.parametrize(
    "source",
    [
        "import os\nos.environ['A']",
        "import os as system\nsystem.environ.get('A')",
        "import os\nos.getenv('A')",
        "from os import getenv",
        "from os import path, environ as settings",
    ],
)
def test_a_planted_look_at_the_environment_is_found(source: str) -> None:
    """The check sees the environment being read in every spelling."""
    assert reads_environment(ast.parse(source))


def test_a_planted_cycle_is_found() -> None:
    """The check sees a circle, also a long one."""
    assert set(first_cycle({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}})) == {"a", "b", "c"}


@pytest.mark.parametrize("module", MODULES)
def test_no_file_is_long(module: str) -> None:
    """A file that needs more than 300 lines owns more than one thing."""
    assert len(FILES[module].read_text(encoding="utf-8").splitlines()) <= 300


@pytest.mark.parametrize("module", [module for module in MODULES if ".migrations." not in module])
def test_no_function_is_long(module: str) -> None:
    """A function fits on a screen; only migrations, which list tables, do not."""
    functions = (node for node in ast.walk(MODULES[module]) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    lengths = {node.name: (node.end_lineno or 0) - node.lineno + 1 for node in functions}
    assert {name: length for name, length in lengths.items() if length > 40} == {}


@pytest.mark.parametrize("module", MODULES)
def test_every_module_says_what_it_owns(module: str) -> None:
    """The first words of a file are about what it is for."""
    assert ast.get_docstring(MODULES[module])
