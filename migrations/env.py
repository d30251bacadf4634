"""How Alembic meets the catalog: on the connection, and in the transaction, that the caller opened.

`ipsync.catalog.migrating` is the caller; nothing is configured by a file.
"""

from alembic import context

from ipsync.catalog.tables import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    transaction_per_migration=False,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
