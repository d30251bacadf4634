"""`python -m ipsync.cli`: the command line where the console script is not installed."""

from ipsync.cli import main

main()
