"""Histories on disk, and what a run says of one."""

from dataclasses import replace
from pathlib import Path

from tests.consistency import history
from tests.consistency.history import REUSED, UNKNOWN, Fault, Introspect, Record, Target
from tests.consistency.run import Plan, judge
from tests.consistency.simulation import Defect, simulate
from tests.consistency.stories import Story

PLAN = Plan(postgres=False, seconds=1, fault_every=1, seed=1)
FAULT = Fault(name="kill_node", start=5, end=6)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    """Records of every type come back as they were, in the order of their beginnings, from several files."""
    story = Story()
    story.issue(key="k", revision=3)
    story.refresh("s0", outcome=REUSED)
    story.look("s0", False)
    story.revoke(Target.DEVICE, "ada|phone", outcome=UNKNOWN)
    records: list[Record] = [*story.operations, FAULT]
    for number, path in enumerate(["a", "b"]):
        (tmp_path / path).write_text("".join(map(history.line_of, records[number::2])))
    read = history.read([tmp_path / "b", tmp_path / "a"])
    assert read == sorted(records, key=lambda record: record.start)


def test_a_fingerprint_is_not_the_token() -> None:
    """A history may be shown to anybody."""
    token = "tsr1_secret"
    assert token not in history.fingerprint(token)
    assert history.fingerprint(token) == history.fingerprint(token)
    assert history.fingerprint("") == ""


def test_a_rich_history_without_violations_is_good() -> None:
    """The report counts what happened."""
    report = judge(PLAN, [*simulate(1, 2000), FAULT], [])
    assert report.is_good, str(report)
    assert report.faults == {"kill_node": 1}
    assert "operations 2000, faults 1, violations 0" in str(report)


def test_a_violation_makes_it_bad() -> None:
    """And the report says which."""
    report = judge(PLAN, [*simulate(1, 3000, Defect.FORKS), FAULT], [])
    assert not report.is_good
    assert "ONE_SUCCESSOR: a refresh token has two successors" in str(report)


def test_too_little_makes_it_bad() -> None:
    """A run in which nothing happened shows nothing."""
    report = judge(PLAN, [], [])
    assert not report.is_good
    assert "PROBLEM: only 0 times Issue OK" in str(report)
    assert "PROBLEM: only 0 faults" in str(report)


def test_silence_after_the_last_fault_makes_it_bad() -> None:
    """The service has to recover."""
    story = Story()
    story.issue()
    story.look("s0", True, outcome=UNKNOWN)
    last = story.operations[-1]
    assert isinstance(last, Introspect)
    late = replace(last, name="p1-sweep-9")
    assert "PROBLEM: 1 calls had no answer after the last fault" in str(judge(PLAN, [*story.operations[:1], late], []))


def test_a_logged_defect_makes_it_bad() -> None:
    """Even if its caller had gone away and could not be told."""
    report = judge(PLAN, [*simulate(1, 2000), FAULT], ["logged by a node: internal error"])
    assert not report.is_good
    assert "PROBLEM: logged by a node: internal error" in str(report)
