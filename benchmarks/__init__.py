"""Measurements of ipsync, each beside its bound or a peer in the same run. `make bench` prints them all."""
