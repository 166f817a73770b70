"""The agent's tasks: heartbeat, leasing, starting, watching, finishing, cancelling, sending.

Each takes one step of a submission at a time and writes it into the journal; what it finds there at a start is where it
goes on. So a kill between any two steps is an ordinary start.
"""
