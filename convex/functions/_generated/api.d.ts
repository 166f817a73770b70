/* eslint-disable */
/**
 * Generated `api` utility.
 *
 * THIS CODE IS AUTOMATICALLY GENERATED.
 *
 * To regenerate, run `npx convex dev`.
 * @module
 */

import type {
  ApiFromModules,
  FilterApi,
  FunctionReference,
} from "convex/server";
import type * as commands from "../commands.js";
import type * as deployment from "../deployment.js";
import type * as http from "../http.js";
import type * as imports from "../imports.js";
import type * as jobs from "../jobs.js";
import type * as model_agents from "../model/agents.js";
import type * as model_bounded from "../model/bounded.js";
import type * as model_cancelling from "../model/cancelling.js";
import type * as model_enrichment from "../model/enrichment.js";
import type * as model_enrolling from "../model/enrolling.js";
import type * as model_ids from "../model/ids.js";
import type * as model_importing from "../model/importing.js";
import type * as model_leasing from "../model/leasing.js";
import type * as model_ledger from "../model/ledger.js";
import type * as model_lifecycle from "../model/lifecycle.js";
import type * as model_lookups from "../model/lookups.js";
import type * as model_projecting from "../model/projecting.js";
import type * as model_reading from "../model/reading.js";
import type * as model_receipts from "../model/receipts.js";
import type * as model_records from "../model/records.js";
import type * as model_refusing from "../model/refusing.js";
import type * as model_revoking from "../model/revoking.js";
import type * as model_submitting from "../model/submitting.js";
import type * as model_tallying from "../model/tallying.js";
import type * as model_tending from "../model/tending.js";
import type * as model_viewers from "../model/viewers.js";
import type * as nodes from "../nodes.js";
import type * as pages from "../pages.js";
import type * as projections from "../projections.js";
import type * as submissions from "../submissions.js";
import type * as wire_faults from "../wire/faults.js";
import type * as wire_operations from "../wire/operations.js";
import type * as wire_problems from "../wire/problems.js";
import type * as wire_secrets from "../wire/secrets.js";
import type * as wire_stored from "../wire/stored.js";
import type * as wire_types from "../wire/types.js";

/**
 * A utility for referencing Convex functions in your app's API.
 *
 * Usage:
 * ```js
 * const myFunctionReference = api.myModule.myFunction;
 * ```
 */
declare const fullApi: ApiFromModules<{
  commands: typeof commands;
  deployment: typeof deployment;
  http: typeof http;
  imports: typeof imports;
  jobs: typeof jobs;
  "model/agents": typeof model_agents;
  "model/bounded": typeof model_bounded;
  "model/cancelling": typeof model_cancelling;
  "model/enrichment": typeof model_enrichment;
  "model/enrolling": typeof model_enrolling;
  "model/ids": typeof model_ids;
  "model/importing": typeof model_importing;
  "model/leasing": typeof model_leasing;
  "model/ledger": typeof model_ledger;
  "model/lifecycle": typeof model_lifecycle;
  "model/lookups": typeof model_lookups;
  "model/projecting": typeof model_projecting;
  "model/reading": typeof model_reading;
  "model/receipts": typeof model_receipts;
  "model/records": typeof model_records;
  "model/refusing": typeof model_refusing;
  "model/revoking": typeof model_revoking;
  "model/submitting": typeof model_submitting;
  "model/tallying": typeof model_tallying;
  "model/tending": typeof model_tending;
  "model/viewers": typeof model_viewers;
  nodes: typeof nodes;
  pages: typeof pages;
  projections: typeof projections;
  submissions: typeof submissions;
  "wire/faults": typeof wire_faults;
  "wire/operations": typeof wire_operations;
  "wire/problems": typeof wire_problems;
  "wire/secrets": typeof wire_secrets;
  "wire/stored": typeof wire_stored;
  "wire/types": typeof wire_types;
}>;
export declare const api: FilterApi<
  typeof fullApi,
  FunctionReference<any, "public">
>;
export declare const internal: FilterApi<
  typeof fullApi,
  FunctionReference<any, "internal">
>;
