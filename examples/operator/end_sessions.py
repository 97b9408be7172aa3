"""Ends all sessions of a user: `python -m examples.operator.end_sessions ada --reason "TICKET-7" --yes`.

Without --yes it only lists them. It calls TOKENSVC_ADDRESS as the client that TOKENSVC_CLIENT_ID and _CLIENT_SECRET
name, with the permissions introspect (to list), revoke and admin (for the sessions of all clients).
"""

import argparse
import os
import sys
from collections.abc import Iterator

from tokensvc_client import Secret, Session, TokenClient, TokenServiceError

MOST_SHOWN = 20


def sessions_of(client: TokenClient, subject: str) -> Iterator[Session]:
    """The live sessions of a user, newest first, page by page."""
    page_token = ""
    while True:
        page = client.list_sessions(subject=subject, page_size=1000, page_token=page_token)
        yield from page.sessions
        page_token = page.next_page_token
        if not page_token:
            return


def show(client: TokenClient, subject: str) -> int:
    """Print the sessions; answer how many there are."""
    count = 0
    for count, session in enumerate(sessions_of(client, subject), 1):
        if count <= MOST_SHOWN:
            device = session.device.name or session.device.id if session.device else ""
            since = f"{session.started_at:%Y-%m-%d %H:%M}"
            print(session.session_id, session.client_id, device or "no device", since, sep="  ")
        elif count == MOST_SHOWN + 1:
            print("...")
    print(f"{subject} has {count} live sessions")
    return count


def main() -> int:
    """Do what the arguments say; answer the exit code."""
    parser = argparse.ArgumentParser(description="End all sessions of a user.")
    parser.add_argument("subject")
    parser.add_argument("--reason", required=True, help="stands in the audit trail")
    parser.add_argument("--yes", action="store_true", help="do it")
    asked = parser.parse_args()
    credentials = Secret(os.environ["TOKENSVC_CLIENT_ID"], os.environ["TOKENSVC_CLIENT_SECRET"])
    with TokenClient(os.environ["TOKENSVC_ADDRESS"], credentials=credentials) as client:
        try:
            show(client, asked.subject)
            if not asked.yes:
                print("nothing was changed: say --yes to end them")
                return 0
            # One entry of the revocation log ends them all, whatever their number, and the access tokens made from
            # them. Sessions that begin after it live.
            change = client.revoke(subject=asked.subject, reason=asked.reason)
            print(f"ended, with revision {change.revision}")
            return int(show(client, asked.subject) > 0)
        except TokenServiceError as error:
            print(error, file=sys.stderr)
            return 1


if __name__ == "__main__":
    sys.exit(main())
