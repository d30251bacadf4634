"""`ipsync profiles`: what is mirrored of members' profiles."""

from ipsync.cli.entry_commands import entry_app

app = entry_app("profile")
