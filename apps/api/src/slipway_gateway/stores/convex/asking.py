"""Asking a function: what is sent as JSON, what comes back read strictly, and the node's key named on the way."""

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError

from slipway_gateway.ports import StoreUnavailableError
from slipway_gateway.stores.convex import requests
from slipway_gateway.stores.convex.client import Functions, StaleNodeError
from slipway_gateway.stores.convex.memory import NodeMemory

A = TypeVar("A", bound=BaseModel)


class Asking:
    """Asks the functions of one deployment, for itself or for a node."""

    def __init__(self, functions: Functions, nodes: NodeMemory) -> None:
        self._functions = functions
        self._nodes = nodes

    async def ask(self, operation: str, answer: type[A] | TypeAdapter[A], asked: Mapping[str, Any]) -> A:
        """Return what ``operation`` answers; one that is no answer of this version is as none."""
        told = await self._functions.call(operation, requests.body(asked))
        try:
            return answer.validate_json(told) if isinstance(answer, TypeAdapter) else answer.model_validate_json(told)
        except ValidationError as error:
            where = ".".join(map(str, error.errors(include_input=False)[0]["loc"]))
            raise StoreUnavailableError(
                f"{operation}: an answer of another version, at {where or 'its root'}"
            ) from None

    async def of_node(
        self, operation: str, answer: type[A] | TypeAdapter[A], management_node_id: str, asked: Mapping[str, Any]
    ) -> A:
        """Ask for a node, naming the key that its request was let in by where that was remembered."""
        named = {"management_node_id": management_node_id, "public_key": self._nodes.key_of(management_node_id)}
        try:
            return await self.ask(operation, answer, {**asked, **named})
        except StaleNodeError:
            self._nodes.forget(management_node_id)
            raise
