"""What docs/exchange.md tells people to type works as it stands."""

import re
from pathlib import Path

from tests.system.processes import serving
from tests.system.test_readme import ADDRESS, run

DOCUMENT = Path(__file__).parents[2] / "docs" / "exchange.md"


def test_the_commands_work_when_pasted(tmp_path: Path) -> None:
    """The shell blocks run in their order, in one shell, and end as the text around them says."""
    blocks = re.findall(r"^```sh\n(.*?)^```$", DOCUMENT.read_text(), re.MULTILINE | re.DOTALL)
    with serving(tmp_path / "tokensvc-data") as server:
        script = "\n".join(["set -euo pipefail", *blocks])
        printed = run(["bash", "-c", script.replace(ADDRESS, server.address)], server)
    assert re.search(r"^actor\.sub: +orders$", printed, re.MULTILINE)
    assert re.search(r"^active: +no$", printed, re.MULTILINE)
    assert re.search(r'^  "access_?token":', printed, re.MULTILINE | re.IGNORECASE)
    assert printed.rstrip().endswith("refused: orders may not act for ada")
