"""What docs/clients.md tells people to type works as it stands."""

import re
from pathlib import Path

import pytest

from tests.system.processes import serving
from tests.system.test_readme import ADDRESS, pasted, run

DOCUMENT = Path(__file__).parents[2] / "docs" / "clients.md"


@pytest.mark.parametrize("before", [[], pasted()], ids=["on a fresh server", "after the README"])
def test_the_commands_work_when_pasted(tmp_path: Path, before: list[str]) -> None:
    """The shell blocks run in their order, in one shell; who has pasted those of the README is not in their way."""
    blocks = re.findall(r"^```sh\n(.*?)^```$", DOCUMENT.read_text(), re.MULTILINE | re.DOTALL)
    with serving(tmp_path / "tokensvc-data") as server:
        script = "\n".join(["set -euo pipefail", *before, "echo here it begins", *blocks])
        printed = run(["bash", "-c", script.replace(ADDRESS, server.address)], server).partition("here it begins")[2]
    assert printed.count("refused: another network") == 1
    assert printed.count("refused: the assertion was used") == 1
    assert '"max_sessions": 5' in printed
    assert '"previous_expires_at"' in printed
    assert printed.partition("client_id: till-report")[2].strip().startswith("revision:")
