"""Owns small histories, told operation by operation, for the tests of the checker."""

from typing import Any

from tests.consistency.checking import Violation, check
from tests.consistency.history import OK, Introspect, Issue, Operation, Refresh, Revoke, Rotates, Target


class Story:
    """Operations one after the other, ten moments each, unless `at` says otherwise."""

    def __init__(self, *, retries: bool = True, rotates: Rotates = Rotates.ALWAYS) -> None:
        self.operations: list[Operation] = []
        self._whose = {"subject": "ada", "device": "phone", "client": "app", "retries": retries, "rotates": rotates}
        self._now = 0

    def issue(self, session: str = "s", **fields: Any) -> None:
        """A login that gives away the session with `<session>0` and `<session>-a0`."""
        told = {"session": session, "refresh_token": f"{session}0", "access_token": f"{session}-a0"}
        self._add(Issue, told, self._whose | fields)

    def refresh(self, token: str, successor: str = "", **fields: Any) -> None:
        """A refresh of `<session><number>`; the successor is by default the next number."""
        session, number = token[0], int(token[1:])
        told = {
            "session": session,
            "refresh_token": successor or f"{session}{number + 1}",
            "access_token": f"{session}-a{len(self.operations)}",
        }
        self._add(Refresh, told, {"token": token} | fields)

    def look(self, token: str, active: bool, **fields: Any) -> None:
        """An introspection."""
        self._add(Introspect, {"active": active, "session": token[0] if active else ""}, {"token": token} | fields)

    def revoke(self, target: Target, value: str, **fields: Any) -> None:
        """A revocation."""
        self._add(Revoke, {}, {"target": target, "value": value} | fields)

    def _add(self, kind: Any, told: dict[str, Any], fields: dict[str, Any]) -> None:
        start, end = fields.pop("at", (self._now, self._now + 9))
        self._now = max(self._now, end + 1)
        outcome = fields.pop("outcome", OK)
        values = {"outcome": outcome, "start": start, "end": end, "name": f"op-{len(self.operations)}", "node": "1"}
        self.operations.append(kind(**values | (told if outcome == OK else {}) | fields))

    def violations(self) -> list[Violation]:
        """What the checker finds, whatever the order of the records."""
        assert check(self.operations) == check(self.operations[::-1])
        return check(self.operations)
