"""How Alembic runs the migrations: on the connection it is given, in the one transaction its caller holds."""

from alembic import context

from slipway_gateway.stores.sql.core.schema import METADATA

context.configure(connection=context.config.attributes["connection"], target_metadata=METADATA, transactional_ddl=True)
context.run_migrations()
