"""What docs/bound-tokens.md tells people to type works as it stands."""

import re
from pathlib import Path

from tests.system.processes import serving
from tests.system.test_readme import ADDRESS, run

DOCUMENT = Path(__file__).parents[2] / "docs" / "bound-tokens.md"


def test_the_commands_work_when_pasted(tmp_path: Path) -> None:
    """The shell blocks run in their order, in one shell, and their script is a phone that proves its key."""
    blocks = re.findall(r"^```sh\n(.*?)^```$", DOCUMENT.read_text(), re.MULTILINE | re.DOTALL)
    with serving(tmp_path / "tokensvc-data") as server:
        printed = run(
            ["bash", "-c", "\n".join(["set -euo pipefail", *blocks]).replace(ADDRESS, server.address)], server
        )
    assert printed.count("token_type:") == 2
    assert printed.count("refused: no proof") == 1
    assert printed.count("refused: the proof was used") == 1
    assert re.findall(r"^active: +(\w+)$", printed, re.MULTILINE) == ["yes", "no"]
