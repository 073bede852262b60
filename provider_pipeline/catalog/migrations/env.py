"""Alembic's entry point: it runs this file for each migration, in the transaction of the connection in its config."""

from alembic import context

from provider_pipeline.catalog.migrations import VERSION_TABLE

context.configure(connection=context.config.attributes["connection"], version_table=VERSION_TABLE)
with context.begin_transaction():
    context.run_migrations()
