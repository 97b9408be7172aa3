"""What the README tells people to type works as it stands."""

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.system.processes import ServerProcess, serving
from tests.system.test_grpcurl import grpcurl_program

README = Path(__file__).parents[2] / "README.md"
ADDRESS = "127.0.0.1:50051"
ELSEWHERE = ("make ", "export PATH=")  # the targets have tests of their own, the tests have their own environment


def blocks(language: str) -> list[str]:
    """The fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", README.read_text(), re.MULTILINE | re.DOTALL)


def pasted() -> list[str]:
    """The lines of the shell blocks that are for a terminal beside a server."""
    return [line for line in "\n".join(blocks("sh")).splitlines() if not line.startswith(ELSEWHERE)]


def run(command: Sequence[str], server: ServerProcess, **variables: str) -> str:
    """Run a command beside the server's data directory, without the settings of this environment."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TOKENSVC_")}
    path = f"{Path(sys.executable).parent}:{Path(grpcurl_program()).parent}:{kept['PATH']}"
    environment = kept | variables | {"PATH": path, "TOKENSVC_ADDRESS": server.address}
    done = subprocess.run(
        command, cwd=server.data_dir.parent, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    return done.stdout


def test_the_readme_works_when_pasted(tmp_path: Path) -> None:
    """The shell blocks run in their order against a fresh server, and then the Python blocks with the same secret."""
    with serving(tmp_path / "tokensvc-data") as server:
        script = "\n".join(["set -xeuo pipefail", *pasted(), 'echo "secret=$secret"']).replace(ADDRESS, server.address)
        printed = run(["bash", "-c", script], server)
        assert '"active": true' in printed
        assert "tokensvc.v1.TokenService" in printed
        secret = printed.rpartition("secret=")[2].strip()
        program = "\n".join(blocks("python")).replace(ADDRESS, server.address)
        assert "give the phone tsr1_" in run([sys.executable, "-c", program], server, TOKENSVC_CLIENT_SECRET=secret)
