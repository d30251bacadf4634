"""Read tokens: recognized by a keyed digest, so that a copy of the database opens nothing."""

from sqlalchemy import bindparam, insert, select, update

from ipsync.catalog.failures import decoding
from ipsync.catalog.handle import AnyRow, Handle
from ipsync.catalog.read_token_tables import ReadTokenRow
from ipsync.catalog.tables import METADATA
from ipsync.policy.instants import Instant
from ipsync.policy.read_tokens import ReadToken, TokenScope

_TOKEN = METADATA.tables[ReadTokenRow.__tablename__]

_ALL = select(_TOKEN).order_by(_TOKEN.c.token_id)
_OF_DIGEST = select(_TOKEN).where(_TOKEN.c.digest == bindparam("its_digest"))
_ADD = insert(_TOKEN)
_REVOKE = (
    update(_TOKEN)
    .where(_TOKEN.c.token_id == bindparam("number"), _TOKEN.c.revoked_at.is_(None))
    .values(revoked_at=bindparam("at"))
)
_USED = (
    update(_TOKEN)
    .where(
        _TOKEN.c.token_id == bindparam("number"),
        _TOKEN.c.used_on.is_(None) | (_TOKEN.c.used_on < bindparam("day")),
    )
    .values(used_on=bindparam("day"))
)


class ReadTokenReading(Handle):
    """The questions about read tokens."""

    def read_tokens(self) -> list[ReadToken]:
        """All that were ever given, by number; revoked and expired ones too."""
        return [_token(row) for row in self._rows(_ALL)]

    def read_token_of(self, text: str) -> ReadToken | None:
        """The one that is recognized by its text, valid or not; None when it is none of ours."""
        row = self._row(_OF_DIGEST, its_digest=self._sealing.read_token_digest(text))
        return None if row is None else _token(row)


class ReadTokenWriting(ReadTokenReading):
    """The changes to read tokens."""

    def add_read_token(self, token: ReadToken, text: str) -> int:
        """Keep a new one with the keyed digest of its text; returns its number."""
        added = self._connection.execute(
            _ADD,
            {
                "digest": self._sealing.read_token_digest(text),
                "name": token.name,
                "scopes": " ".join(sorted(token.scopes)),
                "account_id": token.account_id,
                "created_at": token.created_at,
                "expires_at": token.expires_at,
                "revoked_at": token.revoked_at,
                "used_on": token.used_on,
            },
        )
        key = added.inserted_primary_key
        return int(key[0]) if key else 0

    def revoke_read_token(self, token_id: int, now: Instant) -> None:
        """Take it back; one that is revoked already keeps its instant."""
        self._do(_REVOKE, number=token_id, at=now)

    def note_read_token_used(self, token_id: int, day: Instant) -> None:
        """Remember the newest day on which it was used."""
        self._do(_USED, number=token_id, day=day)


def _token(row: AnyRow) -> ReadToken:
    with decoding("read_token"):
        return ReadToken(
            token_id=row.token_id,
            name=row.name,
            scopes=frozenset(TokenScope(word) for word in row.scopes.split()),
            account_id=row.account_id,
            created_at=row.created_at,
            expires_at=row.expires_at,
            revoked_at=row.revoked_at,
            used_on=row.used_on,
        )
