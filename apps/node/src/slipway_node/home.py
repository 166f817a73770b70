"""What lies where under the node's home.

=================== ===================================================================================
``node.json``       who this node is, and its gateway; written by `enroll`
``node.key``        the node's private key (0600); the gateway has its public half
``node.key.next``   the key to come, while `rotate-key` is under way
``policy.yaml``     what the admin allows; read anew at every heartbeat
``agent.lock``      pid, its start, host and boot id of the agent that runs
``journal.db``      commands and outbox (SQLite, WAL); must lie on a local file system
``status.json``     what the agent saw at its last heartbeat, for `status`
``agent.log``       the agent's log, with ``run --log file``
``workspaces/``     payloads that were fetched, until their job has ended
``collected/``      results on their way to the artifact store
``artifacts/``      the artifact store, unless the policy names another
``aiida/``          the AiiDA profile: the Execution SoR
``work/``           the folders that jobs run in
=================== ===================================================================================
"""

from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from slipway_contracts.fields import Id
from slipway_node.files import write_private

PRIVATE_FOLDER = 0o700


class NotEnrolledError(Exception):
    """The home has no identity yet, or one that cannot be read."""


class Identity(BaseModel):
    """Who the node is; written once, by `enroll`."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    gateway_url: str
    management_node_id: Id
    tenant_id: Id
    node_name: Id


@dataclass(frozen=True, slots=True)
class Home:
    """The paths under one node's home."""

    root: Path

    @property
    def identity_file(self) -> Path:
        """Who the node is."""
        return self.root / "node.json"

    @property
    def key_file(self) -> Path:
        """The private key."""
        return self.root / "node.key"

    @property
    def next_key_file(self) -> Path:
        """The private key to come."""
        return self.root / "node.key.next"

    @property
    def policy_file(self) -> Path:
        """The admin's policy."""
        return self.root / "policy.yaml"

    @property
    def lock_file(self) -> Path:
        """The running agent's lock."""
        return self.root / "agent.lock"

    @property
    def journal_file(self) -> Path:
        """Commands and outbox."""
        return self.root / "journal.db"

    @property
    def status_file(self) -> Path:
        """What the agent saw last."""
        return self.root / "status.json"

    @property
    def log_file(self) -> Path:
        """The agent's log."""
        return self.root / "agent.log"

    @property
    def artifacts(self) -> Path:
        """The artifact store where the policy names no other."""
        return self.root / "artifacts"

    def workspace(self, submission_id: str) -> Path:
        """Where a submission's payload is laid out."""
        return self.root / "workspaces" / submission_id

    def collected(self, submission_id: str) -> Path:
        """Where a submission's results wait to be published."""
        return self.root / "collected" / submission_id

    def create(self) -> None:
        """Make the home, for its owner alone."""
        self.root.mkdir(parents=True, exist_ok=True, mode=PRIVATE_FOLDER)

    def identity(self) -> Identity:
        """Return who the node is; raises NotEnrolledError."""
        try:
            return Identity.model_validate_json(self.identity_file.read_bytes())
        except FileNotFoundError:
            raise NotEnrolledError(f"{self.root} holds no enrolled node") from None
        except ValidationError as error:
            raise NotEnrolledError(f"{self.identity_file} cannot be read: {error.errors()[0]['msg']}") from error

    def remember(self, identity: Identity) -> None:
        """Write down who the node is."""
        write_private(self.identity_file, identity.model_dump_json(indent=2) + "\n")
