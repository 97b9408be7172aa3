"""SoftHSM, an HSM without hardware, with one token for the whole run."""

import os
import shutil
import subprocess
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest

PIN = "canary-pin-1234"
TOKEN = "tokensvc tests"
_LIBRARIES = (
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib64/pkcs11/libsofthsm2.so",
    "/usr/local/lib/softhsm/libsofthsm2.so",
    "/opt/homebrew/lib/softhsm/libsofthsm2.so",
)


@dataclass
class SoftHsm:
    """The token: its files are in `directory`, its keys are made as the documentation says."""

    directory: Path
    module: str

    def __post_init__(self) -> None:
        self._numbers = count(1)

    def new_key(self, kind: str = "AES:32", *flags: str) -> str:
        """Make a key; answer its URI."""
        label = f"key {next(self._numbers)}"
        token = ("--module", self.module, "--token-label", TOKEN, "--login", "--pin", PIN)
        _run("pkcs11-tool", *token, "--keygen", "--key-type", kind, "--sensitive", "--label", label, *flags)
        return self.uri(object=label)

    def uri(self, **attributes: str) -> str:
        """The URI of what is in the token."""
        path = ";".join(f"{name}={value}" for name, value in ({"token": TOKEN} | attributes).items())
        return f"pkcs11:{path}?module-path={self.module}".replace(" ", "%20")


def set_up(directory: Path) -> SoftHsm:
    """Make the token. Where TOKENSVC_TEST_REQUIRE names SoftHSM, its absence is a failure."""
    module = next((path for path in _LIBRARIES if Path(path).exists()), None)
    if module is None or not all(map(shutil.which, ("softhsm2-util", "pkcs11-tool"))):
        assert "softhsm" not in os.environ.get("TOKENSVC_TEST_REQUIRE", ""), "SoftHSM is required here"
        pytest.skip("SoftHSM is not installed (apt-get install softhsm2 opensc), which .ci/run does where it can")
    tokens = directory / "tokens"
    tokens.mkdir()
    (directory / "softhsm2.conf").write_text(f"directories.tokendir = {tokens}\nlog.level = ERROR\n")
    os.environ["SOFTHSM2_CONF"] = str(directory / "softhsm2.conf")
    _run("softhsm2-util", "--init-token", "--free", "--label", TOKEN, "--pin", PIN, "--so-pin", "5678")
    return SoftHsm(tokens, module)


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, timeout=30)
