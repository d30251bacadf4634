"""`make api`: schemathesis on the API, for longer than `make test` can wait."""

import argparse
import sys

from tests.api.trying import try_api


def main() -> int:
    """Try, print what was said, and end with 1 where something was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.api", description=__doc__)
    parser.add_argument("--examples", type=int, default=500, help="cases for each address and kind of data")
    parser.add_argument("--seed", type=int, help="try the same cases again")
    arguments = parser.parse_args()
    seed = () if arguments.seed is None else (f"--seed={arguments.seed}",)
    tried = try_api(f"--max-examples={arguments.examples}", *seed)
    sys.stdout.write(tried.stdout)
    return 1 if tried.returncode else 0


if __name__ == "__main__":
    sys.exit(main())
