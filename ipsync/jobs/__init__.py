"""The use cases: what ipsync does, in terms of ports and policy only.

Every job may be stopped between any two steps and begun again: what it owes is in the catalog.
"""
