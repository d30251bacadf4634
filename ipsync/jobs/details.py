"""Details: description and tags, one request each, from spare budget, only if `mirror.details` asks (design §4)."""

from dataclasses import dataclass, replace
from functools import partial

from ipsync.policy.accounts import Grant
from ipsync.policy.documents import Document, DocumentState, Rendition
from ipsync.policy.permission import bar
from ipsync.policy.rules import Rules
from ipsync.ports.catalog import Catalog, Transaction, View
from ipsync.ports.clock import Clock
from ipsync.ports.source import Gone, KeyRefused, Lane, QuotaReached, Seen, Source, SourceFailure


@dataclass(slots=True)
class DetailsReport:
    """What one run fetched."""

    fetched: int = 0
    failed: int = 0


class Details:
    """The fetcher of an owner's words about a document."""

    def __init__(self, source: Source, catalog: Catalog, clock: Clock, rules: Rules) -> None:
        """Wire the job.

        Args:
            source: ipernity.
            catalog: the durable memory.
            clock: the lease clock.
            rules: whether details are wanted at all.
        """
        self._source = source
        self._catalog = catalog
        self._clock = clock
        self._rules = rules

    async def run(self, limit: int = 200) -> DetailsReport:
        """Fetch the details of up to `limit` documents; nothing where they are not configured."""
        report = DetailsReport()
        if not self._rules.details:
            return report
        for document, grant in await self._catalog.read(partial(_wanting, limit=limit)):
            try:
                seen = await self._source.document(document.account_id, grant.token, document.document_id, Lane.DETAILS)
            except (QuotaReached, KeyRefused):
                break
            except Gone:
                continue  # the sweep of the permitted view decides about absence, not this
            except SourceFailure:
                report.failed += 1
                continue
            report.fetched += await self._catalog.write(partial(self._apply, seen=seen))
        return report

    def _apply(self, tx: Transaction, seen: Seen) -> bool:
        document = tx.documents([seen.document_id]).get(seen.document_id)
        if document is None or document.state is not DocumentState.LIVE:
            return False
        if bar(self._rules.view, document.account_id, seen.facts, self._clock.now()) is not None:
            return False
        tx.update_documents([replace(document, details=seen.details, details_at=seen.sent_at)])
        held = {entry.file.rendition for entry in tx.renditions([seen.document_id]).get(seen.document_id, [])}
        tx.put_renditions(
            [
                Rendition(seen.document_id, document.account_id, file)
                for file in seen.files
                if file.rendition in self._rules.view.renditions and file.rendition not in held
            ]
        )
        return True


def _wanting(view: View, limit: int) -> list[tuple[Document, Grant]]:
    grants: dict[int, Grant | None] = {}
    pairs: list[tuple[Document, Grant]] = []
    for document in view.documents_wanting_details(limit):
        if document.account_id not in grants:
            grants[document.account_id] = view.grant(document.account_id)
        grant = grants[document.account_id]
        if grant is not None:
            pairs.append((document, grant))
    return pairs
