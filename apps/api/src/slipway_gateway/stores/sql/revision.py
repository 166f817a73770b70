"""The schema revision this version speaks; apart from the schema, so that asking for it imports no SQL library."""

SCHEMA_REVISION = "0001"
"""The newest migration under ``migrations/versions``; a test holds the two together."""
