"""What docs/clients.md tells people to type works as it stands."""

import re
from pathlib import Path

from tests.system.processes import serving
from tests.system.test_readme import ADDRESS, run

DOCUMENT = Path(__file__).parents[2] / "docs" / "clients.md"


def test_the_commands_work_when_pasted(tmp_path: Path) -> None:
    """The shell blocks run in their order against a fresh server."""
    blocks = re.findall(r"^```sh\n(.*?)^```$", DOCUMENT.read_text(), re.MULTILINE | re.DOTALL)
    with serving(tmp_path / "tokensvc-data") as server:
        scripts = (f"set -euo pipefail\n{block}".replace(ADDRESS, server.address) for block in blocks)
        printed = "".join(run(["bash", "-c", script], server) for script in scripts)
    assert '"max_sessions": 5' in printed
    assert '"previous_expires_at"' in printed
    assert printed.rstrip().endswith("}")
