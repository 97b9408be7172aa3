"""What docs/client-service.md, client-bff.md and client-operator.md tell people to type works as it stands."""

import re
import sys
from pathlib import Path

import pytest
from tokensvc_client.errors import OF_REASON
from tokensvc_client.relay.actions import refused

from tests.system.processes import serving
from tests.system.test_readme import ADDRESS, run

ROOT = Path(__file__).parents[2]
ISSUER = "https://tokens.example"

# What `python -m asyncio` does with lines that are pasted into it, but that it stops at the first failure. Tests that a
# document defines are run at the end, as pytest would.
TERMINAL = """
import ast, asyncio, code, inspect, pathlib, sys, types

class Terminal(code.InteractiveConsole):
    def __init__(self):
        super().__init__()
        self.compile.compiler.flags |= ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        self.typed = []

    def runcode(self, compiled):
        self.typed.append(types.FunctionType(compiled, self.locals))

    def showsyntaxerror(self, *arguments, **keywords):
        raise SystemExit(f"this cannot be pasted: {self.buffer}")

async def awaited(function):
    waiting = function()
    if inspect.isawaitable(waiting):
        await waiting

async def main():
    terminal = Terminal()
    for line in [*pathlib.Path(sys.argv[1]).read_text().splitlines(), ""]:
        terminal.push(line)
        while terminal.typed:
            await awaited(terminal.typed.pop(0))
    for test in [value for name, value in terminal.locals.items() if name.startswith("test_")]:
        await awaited(test)
        print("passed:", test.__name__)

asyncio.run(main())
"""
# A phone with a key, and another one who calls the application of the document: they are not in it, and use it.
USING_THE_BFF = """
import httpx2
from tests.proofs import Phone
import time

async def status(headers):
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://bff") as web:
        return (await web.get("/me", headers=headers)).status_code

fresh = await tokens.issue(subject="ada", client_id="shop-app")
print("guarded:", await status({}), await status({"authorization": f"Bearer {fresh.access_token}"}))
phone = Phone()
bound = await log_in("ada", phone.jkt)
proof = phone.proof(htu="https://bff.example.com/refresh", iat=int(time.time()))
renewed = await refresh_proven(bound.refresh_token, proof)
print("proven:", renewed.token_type)
for said in (proof, None):
    try:
        await refresh_proven(renewed.refresh_token, said)
    except RefreshRefusedError as error:
        print("refused:", error.action.name)
"""


def blocks(document: str, language: str) -> list[str]:
    """The fenced blocks of a language in a document."""
    text = (ROOT / "docs" / document).read_text()
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def typed(document: str, directory: Path, *, before_the_end: str = "") -> tuple[str, str]:
    """Type a document's shell blocks, and then its Python blocks with what these have exported; answer both outputs.

    `before_the_end` is done before the last block, which tidies up.
    """
    with serving(directory / "tokensvc-data", "--issuer", ISSUER) as server:
        environment = {"PYTHONPATH": str(ROOT)}
        script = "\n".join(["set -euo pipefail", *blocks(document, "sh"), "echo ---", "env | grep -E '_SECRET=|_ID='"])
        printed, _, exported = run(
            ["bash", "-c", script.replace(ADDRESS, server.address)], server, **environment
        ).partition("---\n")
        environment |= dict(line.split("=", 1) for line in exported.splitlines())
        *program, end = blocks(document, "python")
        file = directory / "typed.py"
        file.write_text("\n".join([*program, before_the_end, end]).replace(ADDRESS, server.address))
        return printed, run([sys.executable, "-c", TERMINAL, str(file)], server, **environment)


def test_the_pages_of_services_work_when_pasted(tmp_path: Path) -> None:
    """A service asks, verifies by itself, guards its methods, and calls with a token of its own."""
    _, printed = typed("client-service.md", tmp_path)
    assert "asked: ada None\n" in printed
    assert "verified: ada ('orders.read', 'orders.write')\n" in printed
    assert re.search(r"known up to \d\.\d seconds ago", printed)
    assert "tea for ada\nUNAUTHENTICATED the token was revoked\ntea for report\n" in printed
    assert "passed: test_ended_tokens_are_refused" in printed


def test_the_pages_of_backends_work_when_pasted(tmp_path: Path) -> None:
    """A backend logs in, relays what is repeated, stolen or proven, guards its endpoints and signs devices out."""
    _, printed = typed("client-bff.md", tmp_path, before_the_end=USING_THE_BFF)
    assert "for the phone: eyJ" in printed
    assert "200 True\n401 ALARM\n401 LOG_IN_AGAIN\n" in printed
    assert "Ada's tablet \nAda's phone (this one)\n" in printed
    assert "\nFalse\n" in printed.partition("(this one)")[2]
    assert "guarded: 401 200\nproven: DPoP\nrefused: PROVE_AGAIN\nrefused: ALARM\n" in printed
    assert "passed: test_a_lost_answer_logs_nobody_out" in printed


def test_the_pages_of_operators_work_when_pasted(tmp_path: Path) -> None:
    """Sessions are ended by the script and by hand, the trail tells of it, and keys and secrets are rotated."""
    shell, printed = typed("client-operator.md", tmp_path)
    assert shell.count("ada has 2 live sessions") == 2
    assert "ada has 0 live sessions" in shell
    assert printed.count(" shop-app ACTIVE\n") == 1
    assert "ended with revision" in printed
    assert "subject.revoked operator TICKET-7" in printed
    assert "seen: subject.revoked" in printed
    assert " PREPARED signs from" in printed
    assert re.search(r"active now: \[True(, True)*\]", printed)
    assert "hand it over until" in printed


def rows() -> list[tuple[list[str], str, str]]:
    """The table of docs/client-bff.md: reasons, the action, the status."""
    text = (ROOT / "docs" / "client-bff.md").read_text()
    table = text.partition("| Refresh ended with |")[2].partition("\n\n")[0].splitlines()[2:]
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in table]
    return [(re.findall(r"\b[A-Z]+(?:_[A-Z]+)*\b", row[0]), row[1], row[2]) for row in cells]


@pytest.mark.parametrize(("reasons", "action", "status"), rows())
def test_the_table_of_actions_is_true(reasons: list[str], action: str, status: str) -> None:
    """Each row says what the relay makes of these reasons."""
    for reason in reasons:
        error = refused(OF_REASON[reason]("refused"), has_proof=action == "PROVE_AGAIN")
        assert error.action.name == action
        assert status == ("503" if action == "RETRY" else "401")


def test_the_table_of_actions_is_complete() -> None:
    """It has every reason that a Refresh may end with; the others are of other methods."""
    of_others = {"SUBJECT_TOKEN_INVALID", "CLIENT_NOT_FOUND", "SESSION_NOT_FOUND", "KEY_NOT_FOUND", "CLIENT_EXISTS"}
    named = {reason for reasons, _, _ in rows() for reason in reasons}
    assert named == OF_REASON.keys() - of_others - {"SESSION_LIMIT_REACHED"}
