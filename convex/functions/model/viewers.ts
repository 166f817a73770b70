/** Who looks at a page, and what of the tables is there for them: their tenant's rows of their workspaces. */
import type { Auth } from "convex/server";
import { ConvexError } from "convex/values";
import { wrapDatabaseReader, type Rules } from "convex-helpers/server/rowLevelSecurity";
import type { DataModel } from "../_generated/dataModel";
import type { DatabaseReader } from "../_generated/server";
import type { Scope } from "../wire/types";

/** What a page is refused by; the client finds it in the error's `data`. */
export type PageRefusal = { code: "unauthorized" | "forbidden"; message: string };

/** What the gateway takes as an id and as a role (docs/contracts/README.md); a token without a role is a member's. */
const ID = /^[A-Za-z0-9._~-]{1,128}$/;
const ROLES: readonly unknown[] = ["member", "service", "admin"];

/** A user's verified identity; tenant and workspaces come from the token alone. */
export interface Viewer {
  tenant_id: string;
  workspace_ids: readonly string[];
}

/** Return whom the request's token speaks for: the claims that the gateway reads too, refused where it refuses them. */
export async function viewerOf(auth: Auth): Promise<Viewer> {
  const identity = await auth.getUserIdentity();
  if (identity === null) throw refusal("unauthorized", "sign in first");
  const { subject, tenant_id, workspace_ids, role = "member" } = identity;
  if (!isId(subject) || !isId(tenant_id) || !ROLES.includes(role)) {
    throw refusal("unauthorized", "the token names no user, tenant and role");
  }
  if (!Array.isArray(workspace_ids) || workspace_ids.length === 0 || !workspace_ids.every(isId)) {
    throw refusal("unauthorized", "the token names no workspaces");
  }
  return { tenant_id, workspace_ids };
}

/** Return the one workspace that is looked at. */
export function scopeOf(viewer: Viewer, workspaceId: string): Scope {
  if (!viewer.workspace_ids.includes(workspaceId)) {
    throw refusal("forbidden", "the token does not cover this workspace");
  }
  return { tenant_id: viewer.tenant_id, workspace_id: workspaceId };
}

function isId(value: unknown): value is string {
  return typeof value === "string" && ID.test(value);
}

function refusal(code: PageRefusal["code"], message: string): ConvexError<PageRefusal> {
  return new ConvexError({ code, message });
}

function isCovered(viewer: Viewer, row: Scope): Promise<boolean> {
  return Promise.resolve(row.tenant_id === viewer.tenant_id && viewer.workspace_ids.includes(row.workspace_id));
}

/** A table without a rule has no row for anybody. */
const RULES: Rules<Viewer, DataModel> = {
  projections: { read: isCovered },
  timeline: { read: isCovered },
  nodes: { read: (viewer, node) => Promise.resolve(node.tenant_id === viewer.tenant_id) },
};

/** Return the database as `viewer` may see it, whatever a page asks of it. */
export function databaseOf(viewer: Viewer, db: DatabaseReader): DatabaseReader {
  return wrapDatabaseReader(viewer, db, RULES, { defaultPolicy: "deny" });
}
