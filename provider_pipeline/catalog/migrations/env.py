"""Alembic's entry point: it runs this file once for an upgrade, on the connection `upgrade` put into its config."""

from alembic import context

from provider_pipeline.catalog.migrations import VERSION_TABLE

context.configure(
    connection=context.config.attributes["connection"],
    version_table=VERSION_TABLE,
    transaction_per_migration=True,
)
with context.begin_transaction():
    context.run_migrations()
