"""The rollout of the runtime contract as a program (docs/process/runtime-contract-rollout.md).

Each command is a gate of rules; a rule looks at one tree, or at two revisions of it, and finds what falls short. The
rules are functions over text and data; git and other programs are asked at the edge (repository.py, drift.py).
"""
