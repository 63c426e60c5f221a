"""Runs migrations on the connection that the program gives."""

from alembic import context

from fiscus.workflow.store.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, transactional_ddl=False)
context.run_migrations()
