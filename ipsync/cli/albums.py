"""`ipsync albums`: what is mirrored of members' albums."""

from ipsync.cli.entry_commands import entry_app

app = entry_app("album")
