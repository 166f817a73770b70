"""The store's statements and schema as SQLAlchemy Core, and the generator of their texts.

What is written here runs at build time: ``python -m slipway_gateway.stores.sql.core.generate`` compiles it to
``compiled/<dialect>.json``, which is checked in. So a gateway that starts imports no SQL library (it costs half a
second), and what will be sent to a database can be read and reviewed as it is.
"""
