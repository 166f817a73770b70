"""The product store on Convex: our functions in the product's own deployment, called over their HTTP actions.

``store`` implements the port. ``client`` carries one call there and back, again where that may help; ``asking`` makes
it of ``requests`` and ``answers``, the wire's two directions, with ``documents`` for what lies there. ``memory`` knows
nodes, ``wakeups`` who waits for commands, ``writes`` what is under way; ``address`` reads where the deployment is.
"""
