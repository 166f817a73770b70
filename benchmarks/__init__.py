"""`make bench`: the limits Slipway is held to, measured side by side in one run."""
