"""The execution engine on AiiDA: the only code of the node, with slurm/, that touches either.

AiiDA is imported inside functions alone, since that takes seconds which ``slipway-node --help`` should not cost.
"""
