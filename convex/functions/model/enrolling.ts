/** Join tokens and the nodes they are spent on (docs/contracts/node-protocol.md). */
import type { Doc } from "../_generated/dataModel";
import type { DatabaseReader, DatabaseWriter } from "../_generated/server";
import type { Answer, Args, createJoinToken, enrollNode } from "../wire/operations";
import { knownNode } from "./agents";
import { audit } from "./ledger";
import { given, nodeRecord } from "./records";
import { refused } from "./refusing";

/** Store a join token's hash; a second call is the first one's, whose answer was lost. */
export async function createToken(db: DatabaseWriter, token: Args<typeof createJoinToken>): Promise<void> {
  if ((await tokenOf(db, token.token_sha256)) !== null) return;
  await db.insert("joinTokens", token);
  const { created_at: recorded_at, tenant_id, created_by: actor, node_name: subject } = token;
  await audit(db, { recorded_at, tenant_id, actor, action: "create_join_token", subject });
}

/** Spend a token on a node, or return the node it was spent on with the same key. */
export async function enroll(
  db: DatabaseWriter,
  enrolment: Args<typeof enrollNode>,
): Promise<Answer<typeof enrollNode>> {
  const token = await tokenOf(db, enrolment.token_sha256);
  if (token === null) return refused("join_token_spent", "no such join token");
  if (token.management_node_id !== undefined) {
    if (token.public_key !== enrolment.public_key) {
      return refused("join_token_spent", "the join token was used with another key");
    }
    return { verdict: "enrolled", node: nodeRecord(await knownNode(db, token.management_node_id)) };
  }
  if (enrolment.enrolled_at >= token.expires_at) return refused("join_token_spent", "the join token has expired");
  await spend(db, token, enrolment);
  return { verdict: "enrolled", node: nodeRecord(await knownNode(db, enrolment.management_node_id)) };
}

async function spend(
  db: DatabaseWriter,
  { _id, tenant_id, node_name }: Doc<"joinTokens">,
  { public_key, node_version, management_node_id, enrolled_at }: Args<typeof enrollNode>,
): Promise<void> {
  await db.insert("nodes", {
    management_node_id,
    tenant_id,
    node_name,
    state: "active",
    public_key,
    epoch: 0,
    enrolled_at,
    ...given({ node_version }),
    health: "{}",
  });
  await db.patch("joinTokens", _id, { spent_at: enrolled_at, management_node_id, public_key });
  await audit(db, {
    recorded_at: enrolled_at,
    tenant_id,
    actor: management_node_id,
    action: "enroll_node",
    subject: management_node_id,
  });
}

async function tokenOf(db: DatabaseReader, tokenSha256: string): Promise<Doc<"joinTokens"> | null> {
  return await db
    .query("joinTokens")
    .withIndex("by_token", (q) => q.eq("token_sha256", tokenSha256))
    .unique();
}
