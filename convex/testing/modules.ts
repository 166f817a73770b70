/** The modules of the true functions, as convex-test finds them; one that is not listed is not found, and said so. */
export const modules: Record<string, () => Promise<unknown>> = {
  "./functions/_generated/api.js": () => import("../functions/_generated/api.js"),
  "./functions/commands.ts": () => import("../functions/commands"),
  "./functions/deployment.ts": () => import("../functions/deployment"),
  "./functions/http.ts": () => import("../functions/http"),
  "./functions/imports.ts": () => import("../functions/imports"),
  "./functions/jobs.ts": () => import("../functions/jobs"),
  "./functions/nodes.ts": () => import("../functions/nodes"),
  "./functions/pages.ts": () => import("../functions/pages"),
  "./functions/projections.ts": () => import("../functions/projections"),
  "./functions/submissions.ts": () => import("../functions/submissions"),
};
