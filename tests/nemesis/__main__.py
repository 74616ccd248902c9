"""The long run. Exits with 1 if anything did not hold.

python -m tests.nemesis --minutes 5 --seed 1 --site servers
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
from dataclasses import asdict

from tests.nemesis.faults import Event
from tests.nemesis.run import run
from tests.nemesis.servers import Broker, Database


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.nemesis", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--minutes", type=float, default=5.0, help="how long things go wrong")
    parser.add_argument("--seed", type=int, default=1, help="the first seed; the same one repeats the same events")
    parser.add_argument("--seeds", type=int, default=1, help="how many seeds, one after the other")
    parser.add_argument("--site", choices=("servers", "embedded"), default="servers")
    parser.add_argument("--every", type=float, default=3.0, help="mean seconds between two faults")
    parser.add_argument("--blackout", action="store_true", help="kill -9 everything once, and nothing else")
    parser.add_argument("--keep", action="store_true", help="keep logs and databases of a run that failed")
    parser.add_argument("--json", action="store_true", help="one document with all figures on standard output")
    options = parser.parse_args()
    if options.site == "servers" and (why := Database.missing() or Broker.missing()):
        sys.stderr.write(f"{why} Use --site embedded.\n")
        return 2
    # So that whoever ends a run ends what it has started, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    reports = []
    for seed in range(options.seed, options.seed + options.seeds):
        seconds, events = options.minutes * 60, None
        if options.blackout:
            # It is quiet at once, so that what is measured is the recovery.
            seconds, events = 30.5, [Event(30.0 + seed % 10 / 25, "everything: kill -9", 0, 0)]
        reports.append(run(options.site, seed, seconds, every_s=options.every, keep=options.keep, events=events))
        sys.stderr.write("".join(f"  {problem}\n" for problem in reports[-1].problems[:50]))
        if not options.json:
            sys.stdout.write(f"{reports[-1].summary()}\n")
    if options.json:
        sys.stdout.write(json.dumps([asdict(report) | {"kills": report.kills} for report in reports], indent=1) + "\n")
    return int(any(report.problems for report in reports))


if __name__ == "__main__":
    sys.exit(main())
