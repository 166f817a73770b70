"""Recorded exchanges (recordings/README.md): read, played against today's gateway, and given to today's node."""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from gateway_world import World

from slipway_contracts.execution_event import ExecutionState, event_id_for
from slipway_node import keys

RECORDINGS = Path(__file__).parent / "recordings"
NAMES = ("_id", "_ids", "token", "execution_owner")
"""How fields end that name something: another gateway names it otherwise, and who is told so uses that name."""
TIMES = ("_at", "_time")
OF_THE_MOMENT = frozenset({"enroll_command", "detail", "title", "message", "display_message", "stale", "expires_at"})
"""Fields for people, and such as tell when they were asked for."""
UNSET = (None, False, [])
"""What a field that is left out means, in each that may be."""
TO_A_WORD = frozenset({"content-type", "idempotent-replayed", "www-authenticate", "retry-after"})


@dataclass(frozen=True)
class Exchange:
    """One request and its answer. The times among a node token's ``claims`` are seconds from the request."""

    name: str
    sender: str
    method: str
    path: str
    headers: Mapping[str, str]
    claims: Mapping[str, Any] | None
    body: Any
    status: int
    answer_headers: Mapping[str, str]
    answer: Any

    @property
    def response(self) -> httpx.Response:
        """Return the recorded answer."""
        return httpx.Response(self.status, headers=dict(self.answer_headers), json=self.answer)


def recording(name: str) -> list[Exchange]:
    """Read a recording, in the order in which it was made."""
    told = json.loads((RECORDINGS / f"{name}.json").read_text(encoding="utf-8"))
    return [
        Exchange(
            name=each["name"],
            sender=each["sender"],
            **each["request"],
            status=each["answer"]["status"],
            answer_headers=each["answer"]["headers"],
            answer=each["answer"]["body"],
        )
        for each in told["exchanges"]
    ]


@dataclass
class Player:
    """Sends what was recorded to today's gateway, by the names that this one gives."""

    world: World
    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    names: dict[str, str] = field(default_factory=dict)

    async def play(self, exchange: Exchange) -> httpx.Response:
        """Send a request, and learn from the answer what things are called now."""
        if exchange.name == "enrol":
            self.names[exchange.body["public_key"]] = keys.public_key_of(self.key)
        path = self.renamed_in(exchange.path)
        body = b"" if exchange.body is None else json.dumps(self.renamed(exchange.body)).encode()
        headers = {name: self.renamed_in(value) for name, value in exchange.headers.items()}
        headers |= self._credential(exchange, path, body)
        response = await self.world.client.request(exchange.method, path, content=body, headers=headers)
        self._learn(exchange.answer, response.json())
        return response

    def renamed(self, value: Any) -> Any:
        """Return what was recorded under today's names; an event's id follows from those, where it did."""
        if isinstance(value, Mapping):
            told = {name: self.renamed(each) for name, each in value.items()}
            if isinstance(value.get("event_id"), str) and value["event_id"] == _derived(value):
                told["event_id"] = _derived(told)
            return told
        if isinstance(value, list):
            return [self.renamed(each) for each in value]
        return self.names.get(value, value) if isinstance(value, str) else value

    def renamed_in(self, text: str) -> str:
        """Return a recorded path or header under today's names."""
        for was, now in self.names.items():
            text = text.replace(was, now)
        return text

    def _credential(self, exchange: Exchange, path: str, body: bytes) -> dict[str, str]:
        match exchange.sender:
            case "admin":
                return {"Authorization": f"Bearer {self.world.token(role='admin', user_id='root')}"}
            case "product":
                return {"Authorization": f"Bearer {self.world.token()}"}
        if exchange.claims is None:
            return {}
        at = int(time.time())
        times = {name: exchange.claims[name] + at for name in ("iat", "exp")}
        of_this = {
            "iss": self.renamed(exchange.claims["iss"]),
            "htu": urlsplit(path).path,
            "bsh": sha256(body).hexdigest(),
        }
        token = jwt.encode({**exchange.claims, **times, **of_this}, self.key, algorithm="EdDSA")
        return {"Authorization": f"Bearer {token}"}

    def _learn(self, was: Any, now: Any) -> None:
        if isinstance(was, Mapping) and isinstance(now, Mapping):
            for name, value in was.items():
                told = now.get(name)
                if name.endswith(NAMES) and isinstance(value, str) and isinstance(told, str) and value != told:
                    self.names[value] = told
                self._learn(value, told)
        if isinstance(was, list) and isinstance(now, list):
            for one, other in zip(was, now, strict=False):
                self._learn(one, other)


def _derived(event: Mapping[str, Any]) -> str | None:
    try:
        return event_id_for(event["submission_id"], event["execution_id"], ExecutionState(event["state"]))
    except (KeyError, ValueError):
        return None


def unlike(was: Any, now: Any, at: str = "") -> Iterator[str]:
    """Yield what an older reader of ``was`` would miss or misread in ``now``, which may say more.

    What was unset may be left out or be set by now. Times are times and texts are texts; all else is the same.
    """
    if was is None:
        return
    if isinstance(was, Mapping) and isinstance(now, Mapping):
        yield from _fields_unlike(was, now, at)
    elif isinstance(was, list) and isinstance(now, list) and len(was) == len(now):
        for number, (one, other) in enumerate(zip(was, now, strict=True)):
            yield from unlike(one, other, f"{at}[{number}]")
    elif was != now and not (_may_differ(at.rpartition(".")[2]) and type(was) is type(now)):
        yield f"{at} was {was!r} and is {now!r}"


def _fields_unlike(was: Mapping[str, Any], now: Mapping[str, Any], at: str) -> Iterator[str]:
    for name, value in was.items():
        if name in now:
            yield from unlike(value, now[name], f"{at}.{name}")
        elif value not in UNSET:
            yield f"{at}.{name} is gone"
    if ".submit" in at:  # a node reads strictly what a product asked for
        yield from (f"{at}.{name} is not known" for name in now.keys() - was.keys())


def _may_differ(name: str) -> bool:
    return name.endswith(TIMES) or name in OF_THE_MOMENT


def unlike_recorded(exchange: Exchange, response: httpx.Response, player: Player) -> Sequence[str]:
    """Return what of an answer is not as an older party knows it."""
    told = {"status": response.status_code, **{name: response.headers.get(name) for name in TO_A_WORD}}
    known = {"status": exchange.status, **{name: exchange.answer_headers.get(name) for name in TO_A_WORD}}
    found = [*unlike(known, told), *unlike(player.renamed(exchange.answer), response.json())]
    return [f"{exchange.name}: {each}" for each in found]
