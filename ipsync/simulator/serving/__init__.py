"""The simulator on sockets: the only part of it that knows HTTP (aiohttp). It carries, it does not decide."""
