"""`make api`: schemathesis on the API, for longer than `make test` can wait; and a real nginx that sends the files."""

import argparse
import sys
import tempfile
from pathlib import Path

from benchmarks.nginx import nginx
from tests.api.fronting import misanswered
from tests.api.hostile import crowd
from tests.api.serving import reachable
from tests.api.trying import try_api
from tests.web.media_cases import CASES


def main() -> int:
    """Try, print what was said, and end with 1 where something was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.api", description=__doc__)
    parser.add_argument("--examples", type=int, default=500, help="cases for each address and kind of data")
    parser.add_argument("--seed", type=int, help="try the same cases again")
    arguments = parser.parse_args()
    seed = () if arguments.seed is None else (f"--seed={arguments.seed}",)
    tried = try_api(f"--max-examples={arguments.examples}", *seed)
    sys.stdout.write(tried.stdout)
    return 1 if tried.returncode + _try_nginx() + _try_crowd() else 0


def _try_crowd() -> int:
    with tempfile.TemporaryDirectory() as folder, reachable(Path(folder)) as api:
        found = crowd(api, 10_000)
    print(
        f"{found.opened:,} connections at once: {found.answered:,} answered, {found.put_off:,} told to come back, "
        f"{found.dropped:,} without an answer, in {found.seconds:.1f} s; "
        f"the next reader waited {found.after_seconds:.2f} s"
    )
    return 0 if found.answered else 1


def _try_nginx() -> int:
    if nginx() is None:
        print("nginx is not installed: files sent by it were not tried (Debian: apt-get install nginx)")
        return 0
    with tempfile.TemporaryDirectory() as folder:
        wrong = misanswered(Path(folder))
    print("\n".join(wrong) or f"nginx in front: {len(CASES)} cases of ranges and conditions, all right")
    return len(wrong)


if __name__ == "__main__":
    sys.exit(main())
