"""ipernity's side: the API client behind its one budget gate, and the fetcher of files.

The only room for the client half of aiohttp and for msgspec. Remote errors are translated at this door, so
that no job ever reads a status code; nothing here decides what may be kept.
"""
