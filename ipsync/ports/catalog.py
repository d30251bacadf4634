"""What ipsync knows, kept durably: accounts, documents, obligations, evidence.

Work is a plain synchronous function of a `View` or a `Transaction`, run whole and apart from the
event loop: `await catalog.write(lambda tx: ...)`. It either happened, durably, or did not. Never
wait, fetch or touch files inside it.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Protocol, TypeVar

from ipsync.policy.accounts import Account, AccountState, Consent, Grant
from ipsync.policy.budget import BudgetState
from ipsync.policy.documents import Document, DocumentState, Rendition, RenditionState, Tombstone, Visibility
from ipsync.policy.instants import Duration, Instant
from ipsync.policy.lease import Lease
from ipsync.policy.listings import Listing, PageRecord
from ipsync.policy.quota import Holdings
from ipsync.policy.removals import Reason
from ipsync.ports.absences import AbsenceChanges, AbsenceView
from ipsync.ports.catalog_failures import (
    CatalogBroken,
    CatalogBusy,
    CatalogCorrupt,
    CatalogFailure,
    CatalogFenced,
    CatalogFull,
    CatalogLost,
    CatalogMissing,
    CatalogNewer,
    CatalogOutdated,
    StateKeyWrong,
)
from ipsync.ports.changes import ChangeChanges, ChangeView
from ipsync.ports.comparison import ComparisonView
from ipsync.ports.entries import EntryChanges, EntryView
from ipsync.ports.figures import AccountFigures, Figures, JobRun
from ipsync.ports.future import FutureChanges, FutureView
from ipsync.ports.incidents import IncidentChanges, IncidentView
from ipsync.ports.ledger import LedgerView, LedgerWriting
from ipsync.ports.likeness import Alike, LikenessView
from ipsync.ports.petitions import PetitionChanges, PetitionView
from ipsync.ports.plans import PlanChanges, PlanView
from ipsync.ports.read_tokens import ReadTokenChanges, ReadTokenView
from ipsync.ports.removals import RemovalChanges, RemovalView
from ipsync.ports.requests import RequestChanges, RequestView
from ipsync.ports.store import ContentKey
from ipsync.ports.webhooks import WebhookChanges, WebhookView

__all__ = [
    "AccountFigures",
    "Alike",
    "Catalog",
    "CatalogBroken",
    "CatalogBusy",
    "CatalogCorrupt",
    "CatalogFailure",
    "CatalogFenced",
    "CatalogFull",
    "CatalogLost",
    "CatalogMissing",
    "CatalogNewer",
    "CatalogOutdated",
    "Figures",
    "JobRun",
    "StateKeyWrong",
    "Transaction",
    "View",
]

T = TypeVar("T")


class View(
    RemovalView,
    ComparisonView,
    LikenessView,
    RequestView,
    PetitionView,
    LedgerView,
    AbsenceView,
    FutureView,
    PlanView,
    EntryView,
    ChangeView,
    WebhookView,
    ReadTokenView,
    IncidentView,
    Protocol,
):
    """One consistent reading of the catalog."""

    def account(self, account_id: int) -> Account | None:
        """One account, in whatever state."""
        ...

    def accounts(self, states: Collection[AccountState] | None = None) -> list[Account]:
        """All accounts in these states (None: in any), by id."""
        ...

    def grant(self, account_id: int) -> Grant | None:
        """The token that holds now, decrypted; None when there is none."""
        ...

    def consents(self, account_id: int) -> list[Consent]:
        """Every authorization of a member, oldest first; kept after revocation."""
        ...

    def listings(self, account_id: int | None = None) -> list[Listing]:
        """The listings of one account, or of all."""
        ...

    def page_records(self, account_id: int, visibility: Visibility) -> list[PageRecord]:
        """The newest record of each page of a listing, by page."""
        ...

    def documents(self, document_ids: Collection[int]) -> dict[int, Document]:
        """Those of these documents that are mirrored, by id."""
        ...

    def documents_after(
        self,
        document_id: int,
        limit: int,
        *,
        account_id: int | None = None,
        states: Collection[DocumentState] | None = None,
        verified_since: Instant | None = None,
    ) -> list[Document]:
        """Up to `limit` documents with ids above `document_id`, by id; for pages and cursors.

        Args:
            document_id: the cursor; 0 begins.
            limit: how many at most.
            account_id: of this owner only.
            states: in these states only.
            verified_since: verified at this instant or later only (of accounts that are served).
        """
        ...

    def documents_unverified_since(
        self,
        before: Instant,
        limit: int,
        *,
        states: Collection[DocumentState],
        account_id: int | None = None,
        visibility: Visibility | None = None,
    ) -> list[Document]:
        """Up to `limit` documents in these states verified before `before`, oldest verification first."""
        ...

    def lease_ages(self, now: Instant, width: Duration) -> dict[tuple[DocumentState, int], int]:
        """How many documents are of which age, by state and whole number of `width`. Looks at every document."""
        ...

    def documents_wanting_details(self, limit: int) -> list[Document]:
        """LIVE documents of ACTIVE accounts without details, or with details older than `modified_at`."""
        ...

    def documents_detailed_before(self, before: Instant, limit: int) -> list[Document]:
        """Documents whose details were fetched before `before` (TTL of metadata, T09)."""
        ...

    def tombstones(self, document_ids: Collection[int]) -> dict[int, Tombstone]:
        """Those of these documents that were erased, by id."""
        ...

    def renditions(
        self, document_ids: Collection[int], states: Collection[RenditionState] | None = None
    ) -> dict[int, list[Rendition]]:
        """The files of these documents, in these states (None: in any); documents without any are left out."""
        ...

    def documents_with_files_after(self, document_id: int, limit: int) -> list[int]:
        """Up to `limit` ids of documents that have a STORED file, above `document_id`, in order."""
        ...

    def wanted_renditions(self, now: Instant, limit: int, without: Collection[int] = ()) -> list[Rendition]:
        """Files to fetch now: WANTED or FAILED, `next_try_at` ≤ now, of LIVE documents of ACTIVE accounts.

        Args:
            now: the lease clock.
            limit: how many at most.
            without: accounts of which nothing is fetched.
        """
        ...

    def renditions_stored_before(self, before: Instant, renditions: Collection[str], limit: int) -> list[Rendition]:
        """STORED files of these rendition names fetched before `before`, oldest first (TTL, T09)."""
        ...

    def known_files(self, keys: Collection[ContentKey]) -> set[ContentKey]:
        """Those of these keys for which a STORED or ERASING rendition exists; the others are orphans."""
        ...

    def figures(self) -> Figures:
        """The whole catalog in numbers."""
        ...

    def account_figures(self) -> dict[int, AccountFigures]:
        """Each account in numbers."""
        ...

    def holdings(self) -> Holdings:
        """The files of each account in numbers, for its quota; wanted are files of ACTIVE accounts only."""
        ...

    def job_runs(self) -> dict[str, JobRun]:
        """The newest run of each job, by name."""
        ...

    def note(self, name: str) -> str | None:
        """A single remembered word: schema facts, key use (T03), epoch, high-water mark of time."""
        ...

    def budget(self) -> BudgetState:
        """What was spent and how the gate stands; a fresh state when nothing was ever spent."""
        ...


class Transaction(
    View,
    RemovalChanges,
    RequestChanges,
    PetitionChanges,
    LedgerWriting,
    AbsenceChanges,
    FutureChanges,
    PlanChanges,
    EntryChanges,
    ChangeChanges,
    WebhookChanges,
    ReadTokenChanges,
    IncidentChanges,
    Protocol,
):
    """One unit of work: all of it or nothing, and durable when `write` returns."""

    def put_account(self, account: Account) -> None:
        """Insert or replace by account_id."""
        ...

    def put_grant(self, grant: Grant, consent: Consent) -> None:
        """Make this the token that holds, ending a former consent with reason `replaced`, and record the consent."""
        ...

    def end_grant(self, account_id: int, ended_at: Instant, reason: str) -> None:
        """Forget the token for good; the consent record stays, with its end."""
        ...

    def token_fingerprint(self, token: str) -> str:
        """A keyed digest by which a token can be recognized and not be found out."""
        ...

    def put_listing(self, listing: Listing) -> None:
        """Insert or replace by account_id and visibility."""
        ...

    def drop_listings(self, account_id: int, keep: Collection[Visibility] = ()) -> None:
        """Forget the listings of an account but those in `keep`."""
        ...

    def record_page(self, record: PageRecord) -> None:
        """Keep what one page told, replacing the older record of that page."""
        ...

    def drop_pages_after(self, account_id: int, visibility: Visibility, page: int) -> None:
        """Forget records of pages beyond `page`: the listing has shrunk."""
        ...

    def add_documents(self, documents: Sequence[Document]) -> None:
        """Insert new documents, many at once."""
        ...

    def update_documents(self, documents: Sequence[Document]) -> None:
        """Replace everything of these documents, by id, many at once."""
        ...

    def doom_documents(self, document_ids: Collection[int], now: Instant) -> None:
        """Do what `policy.sweeping.doom` does to these documents, many at once; what is DOOMED stays as it is."""
        ...

    def renew(self, document_ids: Collection[int], sent_at: Instant) -> None:
        """Set verified_at = max(verified_at, sent_at) where LIVE; nothing else changes. The bulk path of a sweep."""
        ...

    def forget_documents(self, document_ids: Collection[int]) -> None:
        """Delete these documents and their renditions: the personal text is gone (overwritten, `secure_delete`)."""
        ...

    def put_tombstones(self, tombstones: Iterable[Tombstone]) -> None:
        """Insert; an older one of the same document is replaced, but a standing one goes on standing."""
        ...

    def drop_tombstones(self, document_ids: Collection[int]) -> None:
        """Let these documents come back."""
        ...

    def put_renditions(self, renditions: Sequence[Rendition]) -> None:
        """Insert or replace by document_id and rendition name, many at once."""
        ...

    def drop_renditions(self, keys: Collection[ContentKey]) -> None:
        """Forget single renditions."""
        ...

    def set_rendition_state(self, keys: Collection[ContentKey], state: RenditionState) -> None:
        """Change only the state of these renditions."""
        ...

    def doom_account(self, account_id: int, reason: Reason, now: Instant, lease: Lease) -> int:
        """Make every document of an account DOOMED and owe a CONFIRMED removal for each, in a few statements.

        `first_unsafe_at` and the deadlines come from each document's own verified_at; open
        suspicions become this removal. Returns how many documents are concerned.
        """
        ...

    def put_job_run(self, run: JobRun) -> None:
        """Remember the newest run of a job; succeeded_at is kept from before when the run failed."""
        ...

    def set_note(self, name: str, value: str) -> None:
        """Remember a word."""
        ...

    def put_budget(self, state: BudgetState) -> None:
        """Replace what is known of the budget; buckets not named are forgotten."""
        ...


class Catalog(Protocol):
    """The durable memory."""

    async def read(self, work: Callable[[View], T]) -> T:
        """Run `work` on one consistent reading.

        Raises:
            CatalogFailure: it could not be read.
        """
        ...

    async def write(self, work: Callable[[Transaction], T]) -> T:
        """Run `work` in one transaction (BEGIN IMMEDIATE), durable on return; an exception undoes all of it.

        Raises:
            CatalogBusy: another process holds the database.
            CatalogLost: the disk failed, or a newer epoch began; end the process.
        """
        ...

    @property
    def scrubs(self) -> bool:
        """Whether `scrub` is for this process to do; where it is not, whoever does it says gone too."""
        ...

    async def scrub(self) -> bool:
        """Make erased text unrecoverable, wherever the database may still hold it (T10).

        Returns False when a reader held it back; try again, and mind the deadline (F24).

        Raises:
            CatalogFailure: it could not be done; nothing may be called gone.
        """
        ...

    async def close(self) -> None:
        """Finish what runs and close."""
        ...
