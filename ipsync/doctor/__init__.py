"""The doctor: what must be true of machine, files, database, API and services; see `looking`. It changes nothing."""

from ipsync.doctor.findings import Finding, Verdict
from ipsync.doctor.looking import Doctor

__all__ = ["Doctor", "Finding", "Verdict"]
