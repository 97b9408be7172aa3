"""The library is installed without the server, and imports nothing but what it says that it needs."""

import ast
import inspect
import sys
from pathlib import Path

import tokensvc_client
from tokensvc_client.verification import http_uri as of_library

from tokensvc.domain import http_uri as of_server

PACKAGE = Path(tokensvc_client.__file__).parent
ALLOWED = {"cryptography", "google", "grpc", "jwt", "tokensvc_client", "tokensvc_pb"}
EXTRAS = {
    ("starlette.py", "starlette"),
    ("fastapi.py", "starlette"),
    ("fastapi.py", "fastapi"),
    ("pytest_plugin.py", "pytest"),
}


def test_nothing_of_the_server_is_imported() -> None:
    """Neither the server nor what only the server brings along; what an extra brings, one file alone."""
    found = {
        (path.name, name.split(".")[0])
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        for name in _imported(node)
    }
    assert {name for _, name in found} > {"tokensvc_client", "jwt"}
    assert {(path, name) for path, name in found if name not in ALLOWED | set(sys.stdlib_module_names)} == EXTRAS


def _imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module or ""] if isinstance(node, ast.ImportFrom) else []


def test_both_compare_uris_by_the_same_rules() -> None:
    """The library may not import the server, nor the server's domain the library: so the file is there twice."""
    assert inspect.getsource(of_library) == inspect.getsource(of_server)
