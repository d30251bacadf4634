"""ipsync: a compliance-focused mirror daemon for ipernity.

It mirrors what members allow an application to keep, and forgets it the moment they don't.
The floors of the house, and who may import whom, are in ARCHITECTURE.md.
"""

__version__ = "0.1.0"
