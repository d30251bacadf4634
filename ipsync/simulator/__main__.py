"""`python -m ipsync.simulator`: the simulator without the rest of ipsync."""

import argparse
import sys

from ipsync.simulator.serving.server import Options, run


def _options(arguments: list[str] | None = None) -> Options:
    defaults = Options()
    parser = argparse.ArgumentParser(prog="python -m ipsync.simulator", description=__doc__)
    parser.add_argument("--listen", default=defaults.listen, help="loopback address, host:port; port 0: any free one")
    parser.add_argument("--members", type=int, default=defaults.members, help="how many members")
    parser.add_argument("--documents", type=int, default=defaults.documents, help="how many documents each")
    parser.add_argument("--seed", type=int, default=defaults.seed, help="same seed, same world")
    parser.add_argument("--control", action="store_true", help="serve /_control/")
    parser.add_argument("--callback", help="where the web flow of authorization returns to")
    parser.add_argument("--rate-limit", default=defaults.rate_limit, help="as 10/s,600/m,5000/h,50000/d")
    return Options(**vars(parser.parse_args(arguments)))


if __name__ == "__main__":
    sys.exit(run(_options()))
