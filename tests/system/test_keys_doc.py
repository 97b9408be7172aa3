"""What docs/keys.md tells people to type to have the root key in an HSM works as it stands."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.softhsm import SoftHsm
from tests.system.processes import serving

DOCUMENT = Path(__file__).parents[2] / "docs" / "keys.md"


def test_the_commands_work_when_pasted(tmp_path: Path, hsm: SoftHsm, monkeypatch: pytest.MonkeyPatch) -> None:
    """The shell blocks run in their order, beside the data of a server, which then starts with the HSM alone."""
    data_dir = tmp_path / "tokensvc-data"
    with serving(data_dir) as server:
        assert server.terminate() == 0
    blocks = re.findall(r"^```sh\n(.*?)^```$", DOCUMENT.read_text(), re.MULTILINE | re.DOTALL)
    script = "\n".join(["set -euo pipefail", *blocks]).replace("/usr/lib/softhsm/libsofthsm2.so", hsm.module)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("TOKENSVC_", "SOFTHSM2_"))}
    environment = kept | {"PATH": f"{Path(sys.executable).parent}:{kept['PATH']}"}
    done = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "rewrapped: 3" in done.stdout
    (uri,) = (data_dir / "root.key").read_text().split()
    assert uri.startswith("pkcs11:token=tokensvc;object=root")
    monkeypatch.setenv("SOFTHSM2_CONF", str(tmp_path / "softhsm2.conf"))
    with serving(data_dir, pkcs11_pin_file=str(tmp_path / "hsm.pin")) as server:
        assert server.terminate() == 0
