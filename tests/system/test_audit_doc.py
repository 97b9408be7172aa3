"""What docs/audit.md says of the types of events is what the code writes."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
_TYPE = r"(?:session|token|access_token|subject|device|client|key|suspicion|refusals)\.[a-z_]+"
_FIELDS = {"device.device_id", "device.subject"}  # of requests, which look the same


def test_every_type_of_event_is_described() -> None:
    """The table has a row for each type, and no row for one that is never written."""
    sources = [
        path.read_text() for layer in ("domain", "services") for path in (ROOT / "tokensvc" / layer).glob("*.py")
    ]
    written = {name for source in sources for name in re.findall(f'"({_TYPE})"', source)} - _FIELDS
    rows = re.findall(r"^\| (`.*?) \|", (ROOT / "docs" / "audit.md").read_text(), re.MULTILINE)
    described = {name for row in rows for name in re.findall(r"`(.*?)`", row)}
    assert described == written | {"refused"}
    assert len(written) > 20
