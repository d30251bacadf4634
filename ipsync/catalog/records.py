"""Small lasting records: the newest run of each job, remembered words, what the budget spent."""

from typing import Any

from sqlalchemy import bindparam, delete, select

from ipsync.catalog.budget_tables import BudgetRateRow, BudgetRow, BudgetSpentRow
from ipsync.catalog.failures import decoding
from ipsync.catalog.handle import LOST_BYTES, Handle
from ipsync.catalog.sqlite import Batch, upsert
from ipsync.catalog.tables import table
from ipsync.policy.budget import BudgetState, RealRate, Spent
from ipsync.ports.catalog import JobRun

_JOB_RUN = table("job_run")
_NOTE = table("note")
_BUDGET = table(BudgetRow.__tablename__)
_SPENT = table(BudgetSpentRow.__tablename__)
_RATE = table(BudgetRateRow.__tablename__)

_JOB_RUNS = select(_JOB_RUN)
_NOTE_OF_NAME = select(_NOTE.c.value).where(_NOTE.c.name == bindparam("name"))
_BUDGET_STATE = select(_BUDGET)
_ALL_SPENT = select(_SPENT).order_by(_SPENT.c.window, _SPENT.c.bucket_at)
_ALL_RATES = select(_RATE).order_by(_RATE.c.day_at)

_PUT_JOB_RUN = upsert(_JOB_RUN)
_PUT_NOTE = upsert(_NOTE)
_PUT_BUDGET = upsert(_BUDGET)
_PUT_SPENT = Batch(upsert(_SPENT), _SPENT.c.keys())
_PUT_RATE = Batch(upsert(_RATE), _RATE.c.keys())
_DROP_SPENT = Batch(
    delete(_SPENT).where(_SPENT.c.window == bindparam("window"), _SPENT.c.bucket_at == bindparam("bucket_at")),
    ("window", "bucket_at"),
)
_DROP_RATE = Batch(delete(_RATE).where(_RATE.c.day_at == bindparam("day_at")), ("day_at",))


class RecordReading(Handle):
    """The questions about small records."""

    def job_runs(self) -> dict[str, JobRun]:
        """The newest run of each job, by name."""
        return {
            row.job: JobRun(row.job, row.started_at, row.finished_at, row.failure, row.succeeded_at)
            for row in self._rows(_JOB_RUNS)
        }

    def note(self, name: str) -> str | None:
        """A single remembered word: schema facts, key use (T03), epoch, high-water mark of time."""
        row = self._row(_NOTE_OF_NAME, name=name)
        if row is None:
            return None
        with decoding("note"):
            if LOST_BYTES in row.value:
                # Whoever takes a damaged word for none would go on without it, e.g. without the high-water mark (F7).
                raise ValueError("bytes that are no text")
        return str(row.value)

    def budget(self) -> BudgetState:
        """What was spent and how the gate stands; a fresh state when nothing was ever spent."""
        row = self._row(_BUDGET_STATE)
        if row is None:
            return BudgetState()
        return BudgetState(
            next_slot_at=row.next_slot_at,
            spent=tuple(Spent(*entry) for entry in self._rows(_ALL_SPENT)),
            blocked_until=row.blocked_until,
            backoff_step=row.backoff_step,
            rate_factor=row.rate_factor,
            recovered_at=row.recovered_at,
            real_rates=tuple(RealRate(*entry) for entry in self._rows(_ALL_RATES)),
        )


class RecordWriting(RecordReading):
    """The changes to small records."""

    def put_job_run(self, run: JobRun) -> None:
        """Remember the newest run of a job; succeeded_at is kept from before when the run failed."""
        succeeded_at = run.succeeded_at
        if run.failure and succeeded_at is None:
            before = self.job_runs().get(run.job)
            succeeded_at = before.succeeded_at if before else None
        self._do(
            _PUT_JOB_RUN,
            job=run.job,
            started_at=run.started_at,
            finished_at=run.finished_at,
            failure=run.failure,
            succeeded_at=succeeded_at,
        )

    def set_note(self, name: str, value: str) -> None:
        """Remember a word."""
        self._do(_PUT_NOTE, name=name, value=value)

    def put_budget(self, state: BudgetState) -> None:
        """Replace what is known of the budget; buckets not named are forgotten."""
        self.change_budget(self.budget(), state)

    def change_budget(self, before: BudgetState, after: BudgetState) -> None:
        """Replace `before`, which is what the catalog holds, by `after`; writes only what differs."""
        for drop, put, held, wanted in (
            (_DROP_SPENT, _PUT_SPENT, _spent(before), _spent(after)),
            (_DROP_RATE, _PUT_RATE, _rates(before), _rates(after)),
        ):
            self._do_many(drop, [key for key in held if key not in wanted])
            self._do_many(put, [(*key, value) for key, value in wanted.items() if held.get(key) != value])
        self._do(
            _PUT_BUDGET,
            budget_id=1,
            next_slot_at=after.next_slot_at,
            blocked_until=after.blocked_until,
            backoff_step=after.backoff_step,
            rate_factor=after.rate_factor,
            recovered_at=after.recovered_at,
        )


def _spent(state: BudgetState) -> dict[tuple[Any, ...], float]:
    return {(entry.window, entry.bucket_at): entry.requests for entry in state.spent}


def _rates(state: BudgetState) -> dict[tuple[Any, ...], float]:
    return {(entry.day_at,): entry.requests_per_hour for entry in state.real_rates}
