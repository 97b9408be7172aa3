"""What the client's README shows beyond its first example, which its own suite runs: it speaks of what there is."""

import ast
import re
from pathlib import Path

import pytest

README = Path(__file__).parents[2] / "clients" / "python" / "README.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```$", README.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_what_a_block_imports_is_there(block: str) -> None:
    """Each block is Python, and the names that it imports exist."""
    tree = compile(block, str(README), "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    imports = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    exec(compile(ast.Module(imports, []), str(README), "exec"), {})


def test_the_blocks_import_something() -> None:
    """The check sees what it is to look at."""
    assert sum("from tokensvc_client" in block for block in BLOCKS) >= 7
