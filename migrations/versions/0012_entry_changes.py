"""The feed tells of albums, folders, articles and profiles too: triggers on `entry` and `entry_text`.

What this revision needs it holds itself: it must do the same for ever, whatever the code becomes.
There is no way back: restore a backup instead.
"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0008"
branch_labels = None
depends_on = None

_REPLACED = ("change_account_shown", "change_account_names", "change_gone")
_TRIGGERS = (
    (
        "CREATE TRIGGER change_account_shown AFTER UPDATE OF state ON account FOR EACH ROW WHEN NOT old.state IN "
        "('active', 'paused') AND new.state IN ('active', 'paused') BEGIN INSERT INTO change (kind, document_id, "
        "account_id, at) SELECT 'appeared', document_id, account_id, new.checked_at FROM document WHERE "
        "account_id = new.account_id AND state = 'live' ORDER BY document_id; INSERT INTO change (kind, "
        "document_id, account_id, at) SELECT 'appeared', number, account_id, new.checked_at FROM entry WHERE "
        "account_id = new.account_id AND state = 'live' ORDER BY number DESC; END"
    ),
    (
        "CREATE TRIGGER change_account_names AFTER UPDATE OF username, realname ON account FOR EACH ROW WHEN "
        "old.state IN ('active', 'paused') AND new.state IN ('active', 'paused') AND (old.username IS NOT "
        "new.username OR old.realname IS NOT new.realname) BEGIN INSERT INTO change (kind, document_id, "
        "account_id, at) SELECT 'changed', document_id, account_id, new.checked_at FROM document WHERE account_id"
        " = new.account_id AND state = 'live' ORDER BY document_id; INSERT INTO change (kind, document_id, "
        "account_id, at) SELECT 'changed', number, account_id, new.checked_at FROM entry WHERE account_id = "
        "new.account_id AND state = 'live' ORDER BY number DESC; END"
    ),
    (
        "CREATE TRIGGER change_gone AFTER UPDATE OF stage ON removal FOR EACH ROW WHEN old.stage <> 'gone' AND "
        "new.stage = 'gone' AND new.scope = 'document' AND NOT EXISTS (SELECT 1 FROM document WHERE document_id ="
        " new.document_id) AND NOT EXISTS (SELECT 1 FROM entry WHERE number = new.document_id) BEGIN INSERT INTO "
        "change (kind, document_id, account_id, at) VALUES ('gone', new.document_id, new.account_id, "
        "coalesce(new.gone_at, new.detected_at)); END"
    ),
    (
        "CREATE TRIGGER change_entry_appeared AFTER INSERT ON entry FOR EACH ROW WHEN new.state = 'live' AND "
        "(SELECT state FROM account WHERE account_id = new.account_id) IN ('active', 'paused') BEGIN INSERT INTO "
        "change (kind, document_id, account_id, at) VALUES ('appeared', new.number, new.account_id, "
        "new.mirrored_at); END"
    ),
    (
        "CREATE TRIGGER change_entry_reappeared AFTER UPDATE OF state ON entry FOR EACH ROW WHEN old.state <> "
        "'live' AND new.state = 'live' AND (SELECT state FROM account WHERE account_id = new.account_id) IN "
        "('active', 'paused') BEGIN INSERT INTO change (kind, document_id, account_id, at) VALUES ('appeared', "
        "new.number, new.account_id, max(new.verified_at, new.seen_at)); END"
    ),
    (
        "CREATE TRIGGER change_entry_hidden AFTER UPDATE OF state ON entry FOR EACH ROW WHEN old.state = 'live' "
        "AND new.state <> 'live' AND (SELECT state FROM account WHERE account_id = new.account_id) IN ('active', "
        "'paused') BEGIN INSERT INTO change (kind, document_id, account_id, at) VALUES ('hidden', new.number, "
        "new.account_id, coalesce(new.hidden_at, new.verified_at)); END"
    ),
    (
        "CREATE TRIGGER change_entry_facts AFTER UPDATE OF posted_at, modified_at, cover_id ON entry FOR EACH ROW"
        " WHEN old.state = 'live' AND new.state = 'live' AND (old.posted_at IS NOT new.posted_at OR "
        "old.modified_at IS NOT new.modified_at OR old.cover_id IS NOT new.cover_id) AND (SELECT state FROM "
        "account WHERE account_id = new.account_id) IN ('active', 'paused') BEGIN INSERT INTO change (kind, "
        "document_id, account_id, at) VALUES ('changed', new.number, new.account_id, new.verified_at); END"
    ),
    (
        "CREATE TRIGGER change_entry_dropped AFTER DELETE ON entry FOR EACH ROW WHEN old.state = 'live' AND "
        "(SELECT state FROM account WHERE account_id = old.account_id) IN ('active', 'paused') BEGIN INSERT INTO "
        "change (kind, document_id, account_id, at) VALUES ('hidden', old.number, old.account_id, "
        "old.verified_at); END"
    ),
    (
        "CREATE TRIGGER change_entry_words AFTER UPDATE OF title, text, members ON entry_text FOR EACH ROW WHEN "
        "(old.title IS NOT new.title OR old.text IS NOT new.text OR old.members IS NOT new.members) BEGIN INSERT "
        "INTO change (kind, document_id, account_id, at) SELECT 'changed', number, account_id, verified_at FROM "
        "entry WHERE number = new.number AND state = 'live' AND (SELECT state FROM account WHERE account_id = "
        "entry.account_id) IN ('active', 'paused'); END"
    ),
)


def upgrade() -> None:
    if op.get_bind().dialect.name != "sqlite":
        return
    for name in _REPLACED:
        op.execute(sa.text(f"DROP TRIGGER {name}"))
    for statement in _TRIGGERS:
        op.execute(sa.text(statement))
