"""Nodes as this process last read them; what is forgotten is read again."""

from collections import OrderedDict
from dataclasses import replace

from slipway_gateway.ports import NodeRecord

NODES_MAX = 4096


class NodeMemory:
    """The nodes met last. Nothing is decided by them alone: a write names the key it was allowed by."""

    def __init__(self, most: int = NODES_MAX) -> None:
        self._most = most
        self._nodes: OrderedDict[str, NodeRecord] = OrderedDict()

    def get(self, management_node_id: str) -> NodeRecord | None:
        """Return the node as it was read, if it is remembered."""
        node = self._nodes.get(management_node_id)
        if node is not None:
            self._nodes.move_to_end(management_node_id)
        return node

    def key_of(self, management_node_id: str) -> str | None:
        """Return the key that the node's requests are checked against, where that is from memory."""
        node = self._nodes.get(management_node_id)
        return None if node is None else node.public_key

    def learn(self, node: NodeRecord | None) -> None:
        """Take in a node that was just read."""
        if node is None:
            return
        self._nodes[node.management_node_id] = node
        self._nodes.move_to_end(node.management_node_id)
        if len(self._nodes) > self._most:
            self._nodes.popitem(last=False)

    def promoted(self, management_node_id: str, public_key: str) -> None:
        """Note that the node's announced key became its only one."""
        node = self._nodes.get(management_node_id)
        if node is not None and node.next_public_key == public_key:
            self._nodes[management_node_id] = replace(node, public_key=public_key, next_public_key=None)

    def forget(self, management_node_id: str) -> None:
        """Forget a node that may have changed."""
        self._nodes.pop(management_node_id, None)
