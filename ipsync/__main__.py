"""`python -m ipsync` is `ipsync`."""

from ipsync.cli import main

if __name__ == "__main__":
    main()
