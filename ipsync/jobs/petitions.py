"""Petitions: take in, let the operator decide, comply where nobody did (T11, design §3).

A petition hides nothing while it waits. What it becomes, a removal request, is taken in by `jobs.requests` like any
other, and due when the petition's own day ends. Deciding is repeatable: a request is filed first, and the same
request is never made twice, so a process that dies between the two finds its petition waiting and goes on.
"""

from dataclasses import dataclass
from functools import partial

from ipsync.jobs.requests import RequestRefusedError, Requests, with_owner
from ipsync.policy.petitions import (
    WAITING_MOST,
    Outcome,
    Petition,
    decided,
    digest_of,
    erase_by,
    is_due,
    new_petition,
    new_token,
    words_of_petition_kept_for,
)
from ipsync.policy.requests import RemovalRequest, Subject, Words
from ipsync.policy.rules import Rules
from ipsync.ports.catalog import Catalog, Transaction, View
from ipsync.ports.clock import Clock
from ipsync.telemetry import Event, get_log

_log = get_log(__name__)


class TooManyPetitionsError(Exception):
    """More wait than an operator could decide; the message says where to turn."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How a petition stands.

    Attributes:
        request: the removal request that it became, or None.
    """

    petition: Petition
    request: RemovalRequest | None = None


class Petitions:
    """Those who ask without proof."""

    def __init__(self, catalog: Catalog, requests: Requests, clock: Clock, rules: Rules) -> None:
        """Wire the job.

        Args:
            catalog: the durable memory.
            requests: takes in what was granted.
            clock: the lease clock.
            rules: the thresholds.
        """
        self._catalog = catalog
        self._requests = requests
        self._clock = clock
        self._rules = rules

    async def take_in(self, subject: Subject, words: Words) -> str:
        """Put a petition on record, to be decided by the operator.

        Args:
            subject: the document it names.
            words: contact and note, which are forgotten a while after it was decided.

        Returns:
            The token of the page that tells how it goes; it is kept nowhere.

        Raises:
            TooManyPetitionsError: too many wait already; nothing was kept.
            CatalogFailure: nothing happened.
        """
        token = new_token()
        add = partial(_add, subject=subject, words=words, token=token, now=self._clock.now(), rules=self._rules)
        petition_id = await self._catalog.write(add)
        _log.warning(
            Event.REMOVAL_PETITIONED,
            "Somebody asks to have a document removed, without proof that it is theirs: `ipsync removal queue`.",
            petition_id=petition_id,
        )
        return token

    async def comply(self, subject: Subject, words: Words) -> str:
        """Hide and owe what its owner asks for, who showed that it is theirs.

        Args:
            subject: the document.
            words: contact and note.

        Returns:
            The token of the page that tells how it goes.

        Raises:
            CatalogFailure: nothing happened, or it is hidden and nothing tells of it.
        """
        taken = await self._requests.file(subject, words)
        token = new_token()
        now = self._clock.now()
        asked = new_petition(taken.request.subject, token, now, self._rules.lease)
        done = decided(asked, Outcome.GRANTED, now, taken.request.request_id)
        await self._catalog.write(lambda tx: tx.put_petition(done))
        return token

    async def standing(self, token: str) -> Standing | None:
        """How the petition with this token stands; None where there is none."""
        digest = digest_of(token)

        def read(view: View) -> Standing | None:
            petition = view.petition_of(digest)
            if petition is None:
                return None
            return Standing(petition, view.removal_request(petition.request_id) if petition.request_id else None)

        return await self._catalog.read(read)

    async def grant(self, petition_id: int) -> Standing:
        """Comply with a petition, and with all others that wait for the same document.

        Raises:
            RequestRefusedError: there is none of that number, or it is decided already.
            CatalogFailure: it waits still; what is hidden already stays so.
        """
        petition = await self._catalog.read(partial(_waiting, petition_id=petition_id))
        return await self._comply(petition, Outcome.GRANTED)

    async def decline(self, petition_id: int) -> Standing:
        """Leave what a petition names where it is.

        Raises:
            RequestRefusedError: there is none of that number, or it is decided already.
            CatalogFailure: it waits still.
        """
        now = self._clock.now()

        def end(tx: Transaction) -> Petition:
            ended = decided(_waiting(tx, petition_id), Outcome.DECLINED, now)
            tx.put_petition(ended)
            return ended

        return Standing(await self._catalog.write(end))

    async def run(self) -> int:
        """Comply with what nobody decided in time, and forget words that are not needed any more.

        Returns:
            With how many it complied.
        """
        now = self._clock.now()
        due = [entry for entry in await self._catalog.read(_all_waiting) if is_due(entry, now)]
        for petition in due:
            held = (await self._requests.look(petition.subject)).held
            if held.documents:
                await self._comply(petition, Outcome.UNANSWERED)
            else:
                await self._catalog.write(partial(_end, petition=petition, outcome=Outcome.ABSENT, now=now))
        before = now - words_of_petition_kept_for(self._rules.lease)
        if await self._catalog.write(lambda tx: tx.forget_petition_words(before)):
            await self._catalog.scrub()
        return len(due)

    async def _comply(self, petition: Petition, outcome: Outcome) -> Standing:
        words = await self._catalog.read(lambda view: view.petition_words([petition.petition_id]))
        taken = await self._requests.file(
            petition.subject,
            words.get(petition.petition_id, Words()),
            due=erase_by(petition, self._rules.lease),
        )
        now = self._clock.now()
        ended = await self._catalog.write(
            partial(_end, petition=petition, outcome=outcome, now=now, request_id=taken.request.request_id)
        )
        return Standing(ended, taken.request)


def end_all(tx: Transaction, now: int) -> None:
    """Decide whatever waits, where nothing is held any more, and forget all words: the operator leaves."""
    for petition in _all_waiting(tx):
        tx.put_petition(decided(petition, Outcome.ABSENT, now))
    tx.forget_petition_words(now + 1)


def _add(tx: Transaction, subject: Subject, words: Words, token: str, now: int, rules: Rules) -> int:
    if tx.waiting_petitions() >= WAITING_MOST:
        raise TooManyPetitionsError("too many requests wait already: please write to the operator instead")
    # A link may name another owner than the document has.
    return tx.put_petition(new_petition(with_owner(tx, subject), token, now, rules.lease), words)


def _end(tx: Transaction, petition: Petition, outcome: Outcome, now: int, request_id: int = 0) -> Petition:
    """Decide it, and where it is complied with, every other that asks for the same."""
    same = [entry for entry in _all_waiting(tx) if entry.subject.subject_id == petition.subject.subject_id]
    for entry in same if request_id else [petition]:
        tx.put_petition(decided(entry, outcome, now, request_id))
    return tx.petition(petition.petition_id) or petition


def _waiting(view: View, petition_id: int) -> Petition:
    petition = view.petition(petition_id)
    if petition is None:
        raise RequestRefusedError(f"there is no petition {petition_id}: see `ipsync removal queue --all`")
    if petition.outcome is not None:
        raise RequestRefusedError(f"petition {petition_id} is decided already: {petition.outcome.value}")
    return petition


def _all_waiting(view: View) -> list[Petition]:
    return view.petitions(waiting_only=True, limit=WAITING_MOST)
