"""A node that only says it is there: enrols and sends heartbeats, so that the gateway accepts jobs for it."""

import base64
import hashlib
import json
import time
import urllib.request
from dataclasses import dataclass

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from local_stack import Gateway

from slipway_contracts.node_protocol import NODE_TOKEN_AUDIENCE

TOKEN_SECONDS = 58  # of the contract's 60, so that a clock may be a little off
POLICY = {
    "policy_version": "bench",
    "queues": {"default": {"limits": {"cpu": 64, "memory_mib": 1_000_000, "walltime_seconds": 864_000}}},
    "input_prefixes": ["https://inputs.example/"],
}


@dataclass
class SignedNode:
    """An enrolled node's identity and key."""

    gateway: Gateway
    key: Ed25519PrivateKey
    node_id: str = ""

    @classmethod
    def enrolled(cls, gateway: Gateway) -> "SignedNode":
        """Enrol a new node at ``gateway``."""
        node = cls(gateway, Ed25519PrivateKey.generate())
        admin = gateway.token(user="admin", role="admin")
        join = gateway.call("POST", "/api/runtime/nodes/join-tokens", token=admin, body={})
        public = base64.urlsafe_b64encode(node.key.public_key().public_bytes_raw()).rstrip(b"=").decode()
        body = {"token": join["token"], "public_key": public}
        node.node_id = str(node.post("/api/runtime/nodes:enroll", body)["management_node_id"])
        return node

    def heartbeat(self) -> int:
        """Say that the node is there; return the epoch that it is given."""
        body = {"agent_id": "bench", "journal_id": "bench", "node_version": "bench", "policy": POLICY}
        epoch = self.post(f"/api/runtime/nodes/{self.node_id}:heartbeat", body)["epoch"]
        if not isinstance(epoch, int):
            raise TypeError(f"{epoch!r} is no epoch")
        return epoch

    def post(self, path: str, body: object) -> dict[str, object]:
        """Post as the node and return the answer; raises urllib.error.HTTPError for a refusal."""
        data = json.dumps(body).encode()
        url = f"{self.gateway.url}{path}"
        request = urllib.request.Request(url, data=data, headers=self.headers(path, data))  # noqa: S310 - loopback
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - loopback
            result: dict[str, object] = json.loads(answer.read())
            return result

    def signed(self, path: str, body: object) -> bytes:
        """Return the whole HTTP request that posts ``body``, good for a minute."""
        data = json.dumps(body).encode()
        headers = {"Host": "127.0.0.1", **self.headers(path, data), "Content-Length": str(len(data))}
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return f"POST {path} HTTP/1.1\r\n{lines}\r\n".encode() + data

    def headers(self, path: str, data: bytes) -> dict[str, str]:
        """Return the headers of a signed request that posts ``data``."""
        now = int(time.time())
        claims = {"iss": self.node_id, "aud": NODE_TOKEN_AUDIENCE, "iat": now, "exp": now + TOKEN_SECONDS}
        claims |= {"htm": "POST", "htu": path, "bsh": hashlib.sha256(data).hexdigest()}
        token = jwt.encode(claims, self.key, algorithm="EdDSA")
        return {"Authorization": f"Bearer {token}", "Content-Type": "application/json", "Slipway-Contract": "1"}
