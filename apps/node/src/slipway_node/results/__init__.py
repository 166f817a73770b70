"""A finished execution's results: summed up in 4 KiB, and published to the artifact store."""
