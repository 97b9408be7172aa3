"""What the README tells people to paste works as it stands."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from served import Served
from tokensvc_client import Secret, TokenPolicy

README = Path(__file__).parents[1] / "README.md"


@pytest.mark.skipif(not README.exists(), reason="the tests have been taken elsewhere")
def test_the_example_works(server: Served, register: Callable[..., Secret], capsys: pytest.CaptureFixture[str]) -> None:
    """It issues, introspects, refreshes and revokes."""
    client = register(token_policy=TokenPolicy(scopes=("orders.read",)), audiences=(server.issuer,))
    example, *_ = re.findall(r"^```python\n(.*?)^```$", README.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    example = example.replace("127.0.0.1:50051", server.address).replace('"bff"', repr(client.client_id))
    exec(compile(example, str(README), "exec"), {"secret": client.client_secret})
    assert capsys.readouterr().out.startswith("active until 20")
