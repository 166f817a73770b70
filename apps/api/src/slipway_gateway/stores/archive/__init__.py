"""A product store as a file, to be moved: JSON lines, apart from any store (docs/how-to/moving-the-store.md)."""
