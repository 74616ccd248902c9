"""Becomes the broker server, if no other one serves these files.

Run as a script of its own, with the standard library alone: ``python -I launch.py LOCK SERVER [ARGUMENT...]`` in the
server's directory. The lock is taken here and not by whoever wants a broker, because a Celery worker forks its pool at
any moment, and a forked copy of the lock would look like a living server for ever.

Exit codes: 0 the server was started; 3 a server of these files lives already.
"""

import fcntl
import os
import sys

LOCKED = 3


def main(lock_path: str, *command: str) -> int:
    os.umask(0o077)
    lock = os.open(lock_path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        # Belongs to the open file, so it passes to the server below and ends with it, even at kill -9.
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return LOCKED
    os.set_inheritable(lock, True)
    if os.fork() == 0:
        os.execv(command[0], command)  # noqa: S606 - no shell is what we want
    # The server is nobody's child: no zombie of it stays with a daemon that started it.
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
