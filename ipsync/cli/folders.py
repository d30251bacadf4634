"""`ipsync folders`: what is mirrored of members' folders."""

from ipsync.cli.entry_commands import entry_app

app = entry_app("folder")
