"""The View and the Transaction: all topics in one object, on one connection inside one transaction."""

from ipsync.catalog.absences import AbsenceReading, AbsenceWriting
from ipsync.catalog.accounts import AccountReading, AccountWriting
from ipsync.catalog.changes import ChangeReading, ChangeWriting
from ipsync.catalog.comparing import ComparisonReading
from ipsync.catalog.entries import EntryReading, EntryWriting
from ipsync.catalog.figures import FigureReading
from ipsync.catalog.future import FutureReading, FutureWriting
from ipsync.catalog.incidents import IncidentReading, IncidentWriting
from ipsync.catalog.ledger import LedgerReading
from ipsync.catalog.likeness import LikenessReading
from ipsync.catalog.listings import ListingReading, ListingWriting
from ipsync.catalog.petitions import PetitionReading, PetitionWriting
from ipsync.catalog.plans import PlanReading, PlanWriting
from ipsync.catalog.read_tokens import ReadTokenReading, ReadTokenWriting
from ipsync.catalog.records import RecordReading, RecordWriting
from ipsync.catalog.removals import RemovalReading
from ipsync.catalog.renditions import RenditionReading, RenditionWriting
from ipsync.catalog.webhooks import WebhookReading, WebhookWriting


class SqlView(
    AccountReading,
    ComparisonReading,
    LikenessReading,
    ListingReading,
    PlanReading,
    IncidentReading,
    PetitionReading,
    RenditionReading,
    RemovalReading,
    AbsenceReading,
    ChangeReading,
    WebhookReading,
    FigureReading,
    FutureReading,
    EntryReading,
    RecordReading,
    ReadTokenReading,
    LedgerReading,
):
    """`ports.catalog.View` on SQL."""


class SqlTransaction(
    AccountWriting,
    ComparisonReading,
    LikenessReading,
    ListingWriting,
    PlanWriting,
    IncidentWriting,
    PetitionWriting,
    RenditionWriting,
    AbsenceWriting,
    ChangeWriting,
    WebhookWriting,
    FigureReading,
    FutureWriting,
    EntryWriting,
    RecordWriting,
    ReadTokenWriting,
):
    """`ports.catalog.Transaction` on SQL."""
