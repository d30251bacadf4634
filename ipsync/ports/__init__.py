"""What the jobs ask of the outside world: Protocols, each with its own failures.

Every implementation, fakes included, passes the same suite of promises in `tests/contracts/`.
"""
