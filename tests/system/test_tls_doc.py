"""What docs/tls.md tells people to type works as it stands."""

import re
import shlex
import subprocess
from pathlib import Path

import pytest

from tests.system.processes import serving
from tests.system.test_readme import ADDRESS, run

DOCUMENT = Path(__file__).parents[2] / "docs" / "tls.md"


def test_the_commands_work_when_pasted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Certificates are made, a server is started that wants them, and it is called with them and not without."""
    monkeypatch.chdir(tmp_path)
    text = DOCUMENT.read_text()
    making, calling, named = re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    (command,) = re.findall(r"^\$ tokensvc serve (.*)$", text, re.MULTILINE)
    subprocess.run(["bash", "-euc", making], check=True, capture_output=True)
    with serving(tmp_path / "tokensvc-data", *shlex.split(command)) as server:
        without = re.sub(r"-cert \S+ -key \S+", "", calling.partition("\n\n")[2])
        script = "\n".join(["set -euo pipefail", calling, f"if {without}\nthen exit 1; fi", named])
        printed = run(["bash", "-c", script.replace(ADDRESS, server.address)], server)
    assert printed.count("access_token:") == 2
    assert '"access_token"' in printed
