"""${message}.

What this revision needs it holds itself: it must do the same for ever, whatever the code becomes.
There is no way back, since going back would forget removals: restore a backup instead.
"""

import sqlalchemy as sa
from alembic import op
${imports if imports else ""}
revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = ${repr(branch_labels)}
depends_on = ${repr(depends_on)}


def upgrade() -> None:
    ${upgrades if upgrades else "pass"}
