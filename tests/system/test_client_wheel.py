"""The client's wheel in an environment of its own: it has what it needs, and works without the server's package.

It downloads what the lock file names, so it runs by `make test-wheel`, which says that it is required.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import distribution
from pathlib import Path
from zipfile import ZipFile

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.system.processes import create_client, serving

ROOT = Path(__file__).parents[2]
CLIENT = ROOT / "clients" / "python"
ISSUER = "https://issuer.test"
LIMIT = 300
EVERY_PERMISSION = "admin,issue,refresh,introspect,revoke,exchange,watch"
EVERY_MODULE = """
import importlib, pkgutil, tokensvc_client, tokensvc_pb
names = [module.name for package in (tokensvc_client, tokensvc_pb)
         for module in pkgutil.walk_packages(package.__path__, package.__name__ + ".")]
for name in names:
    if name not in ("tokensvc_client.starlette", "tokensvc_client.fastapi"):
        importlib.import_module(name)
print(len(names))
"""
FAKE = """
from tokensvc_client import Secret, TokenClient
from tokensvc_client.testing import FakeTokenService
with FakeTokenService() as fake, TokenClient(fake.target, credentials=Secret("bff", "any")) as client:
    print(client.introspect(client.issue(subject="ada").access_token).subject)
"""


def run(*command: str | Path, cwd: Path = CLIENT, **variables: str) -> str:
    """Run a command that must succeed, without a setting of this environment; answer what it printed."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("TOKENSVC_", "PYTHON"))}
    done = subprocess.run(
        [*map(str, command)], cwd=cwd, env=kept | variables, capture_output=True, text=True, timeout=LIMIT, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def locked(roots: Sequence[str]) -> str:
    """The part of the lock file for these requirements, and all that they need."""
    wanted: set[str] = set()
    waiting = [Requirement(root) for root in roots]
    seen = set()
    while waiting:
        requirement = waiting.pop()
        if str(requirement) in seen:
            continue
        seen.add(str(requirement))
        wanted.add(canonicalize_name(requirement.name))
        extras = requirement.extras or {""}
        needs = map(Requirement, distribution(requirement.name).requires or ())
        waiting.extend(
            need for need in needs if not need.marker or any(need.marker.evaluate({"extra": e}) for e in extras)
        )
    lock = (ROOT / "requirements.lock").read_text()
    entries = {found[1]: found[0] for found in re.finditer(r"^(\S+)==(?:.*\\\n)+.*\n", lock, re.MULTILINE)}
    return "".join(entry for name, entry in entries.items() if name in wanted)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, newly built."""
    if "wheel" not in os.environ.get("TOKENSVC_TEST_REQUIRE", ""):
        pytest.skip("it downloads: make test-wheel runs it")
    directory = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", directory)
    return next(directory.glob("*.whl"))


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an empty environment, with the wheel, its needs as they are locked, and pytest."""
    directory = tmp_path_factory.mktemp("environment")
    run(sys.executable, "-m", "venv", "--without-pip", directory)
    there = directory / "bin" / "python"
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", there)
    needs = directory / "needs.txt"
    needs.write_text(locked(["tokensvc-client[testing]", "pytest"]))
    run(*pip, "install", "--no-deps", "--require-hashes", "--requirement", needs)
    run(*pip, "install", "--no-deps", "--no-index", wheel)
    assert "No broken requirements" in run(*pip, "check")
    return there


def test_the_wheel_has_the_packages_and_nothing_else(wheel: Path) -> None:
    """The library, the stubs and their types; neither tests nor the server."""
    names = ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == {"tokensvc_client", "tokensvc_pb"}
    assert {"tokensvc_client/py.typed", "tokensvc_pb/py.typed"} <= set(names)
    assert not [name for name in names if "tests" in name]


def test_every_module_is_imported_without_the_server(python: Path, tmp_path: Path) -> None:
    """What it needs is what its metadata says; extras are needed by their own modules alone."""
    assert int(run(python, "-c", EVERY_MODULE, cwd=tmp_path)) > 100
    absent = run(python, "-c", "import importlib.util as u; print(u.find_spec('tokensvc'))", cwd=tmp_path)
    assert absent == "None\n"


def test_the_fake_works_there(python: Path, tmp_path: Path) -> None:
    """Who tests with it installs nothing of the server."""
    assert run(python, "-c", FAKE, cwd=tmp_path) == "ada\n"


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    """The client's suite, where nothing of this repository is beside it but the README whose example it runs."""
    shutil.copy(CLIENT / "README.md", tmp_path)
    copied = tmp_path / "suite"
    shutil.copytree(CLIENT / "tests", copied, ignore=shutil.ignore_patterns("__pycache__"))
    return copied


def passed(python: Path, suite: Path, *which: str, **variables: str) -> int:
    """Run the suite there; answer how many tests have passed, which are all that were run."""
    said = run(python, "-m", "pytest", "-q", *which, cwd=suite, **variables).splitlines()[-1]
    counted = re.fullmatch(r"(\d+) passed(?:, \d+ deselected)? in .*", said)
    assert counted is not None, said
    return int(counted[1])


def test_the_suite_passes_against_the_fake(python: Path, suite: Path) -> None:
    """All of it, over threads and asyncio, where there is no server at all."""
    assert passed(python, suite) > 500
    assert passed(python, suite, "-k", "fake-sync") == passed(python, suite, "-k", "fake-async") > 30


def test_the_suite_passes_against_a_service(python: Path, suite: Path, tmp_path: Path) -> None:
    """What needs a server, with one that runs elsewhere: nothing is left out for want of its package."""
    data_dir = tmp_path / "data"
    secret = create_client(data_dir, "tests", "--permission", EVERY_PERMISSION, issuer=ISSUER)
    with serving(data_dir, issuer=ISSUER) as server:
        named = {"ADDRESS": server.address, "ISSUER": ISSUER, "CLIENT_ID": "tests", "CLIENT_SECRET": secret}
        variables = {f"TOKENSVC_TEST_{name}": value for name, value in named.items()}
        assert passed(python, suite, "-k", "real", **variables) > passed(python, suite, "-k", "fake")
