"""The only definition of Slipway's wire.

Pure: models, the lifecycle, the error table, the normalisation table and the node's policy check. Nothing here does IO,
reads a clock or draws a random number; time, ids and randomness come in through parameters.
"""

CONTRACT_VERSION = 1
"""What nodes send as ``Slipway-Contract``; a change of meaning raises it (docs/adr/0004)."""

CONTRACT_HEADER = "Slipway-Contract"
IDEMPOTENT_REPLAYED_HEADER = "Idempotent-Replayed"
