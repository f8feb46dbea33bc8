"""`python -m tests.browser.aged KEY SECONDS`: a session whose owner clicked so long ago."""

import sys

import django


def main(key: str, seconds: int) -> None:
    django.setup()
    from django.contrib.sessions.backends.db import SessionStore

    session = SessionStore(session_key=key)
    session["seen_s"] -= seconds
    session.save()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
