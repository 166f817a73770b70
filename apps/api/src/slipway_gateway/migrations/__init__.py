"""The SQL product store's migrations, run by Alembic (``slipway-gateway migrate``)."""
