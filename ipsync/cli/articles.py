"""`ipsync articles`: what is mirrored of members' articles."""

from ipsync.cli.entry_commands import entry_app

app = entry_app("article")
