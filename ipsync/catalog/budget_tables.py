"""The tables of the request budget. They hold counts and instants, nothing of a member."""

from sqlalchemy import Text
from sqlmodel import Field

from ipsync.catalog.tables import CatalogTable, Fraction, Number

_STRICT = {"sqlite_strict": True}
_STRICT_CLUSTERED = {"sqlite_strict": True, "sqlite_with_rowid": False}


class BudgetRow(CatalogTable, table=True):
    """How the budget gate stands. One row, number 1."""

    __tablename__ = "budget"
    __table_args__ = (_STRICT,)

    budget_id: int = Field(sa_type=Number, primary_key=True)
    next_slot_at: int = Field(sa_type=Number)
    blocked_until: int = Field(sa_type=Number)
    backoff_step: int = Field(sa_type=Number)
    rate_factor: float = Field(sa_type=Fraction)
    recovered_at: int = Field(sa_type=Number)


class BudgetSpentRow(CatalogTable, table=True):
    """Requests counted in one bucket of one window."""

    __tablename__ = "budget_spent"
    __table_args__ = (_STRICT_CLUSTERED,)

    window: str = Field(sa_type=Text, primary_key=True)
    bucket_at: int = Field(sa_type=Number, primary_key=True)
    requests: int = Field(sa_type=Number)


class BudgetRateRow(CatalogTable, table=True):
    """The lowest rate ipernity really allowed on one day."""

    __tablename__ = "budget_rate"
    __table_args__ = (_STRICT,)

    day_at: int = Field(sa_type=Number, primary_key=True)
    requests_per_hour: float = Field(sa_type=Fraction)
