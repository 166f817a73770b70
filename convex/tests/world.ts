/** What the tests act with: the true functions on an empty store, called over the gateway's wire. */
import { convexTest, type TestConvex } from "convex-test";
import { expect } from "vitest";
import { PREFIX } from "../functions/http";
import { eventIdFor, projectionEventIdFor } from "../functions/model/ids";
import { projectionOf } from "../functions/model/lifecycle";
import schema from "../functions/schema";
import type { ExecutionState, Submission, Update } from "../functions/wire/types";
import { modules } from "../testing/modules";

export const SECRET = "the-gateway-s-secret";
export const T0 = 1_767_268_800_000_000;
export const SECOND = 1_000_000;
export const SCOPE = { tenant_id: "acme", workspace_id: "lab" };

type Body = Record<string, unknown>;

export class World {
  readonly convex: TestConvex<typeof schema> = convexTest({ schema, modules, transactionLimits: true });
  private numbers = 0;

  id(noun: string): string {
    this.numbers += 1;
    return `${noun}-${this.numbers}`;
  }

  /** Send a request as it is. */
  async send(operation: string, body: string, authorization = `Bearer ${SECRET}`): Promise<Response> {
    const headers = { Authorization: authorization };
    return await this.convex.fetch(PREFIX + operation, { method: "POST", body, headers });
  }

  /** Call an operation that answers. */
  async call<Answer = Body>(operation: string, body: Body): Promise<Answer> {
    const response = await this.send(operation, JSON.stringify(body));
    expect(response.status, await response.clone().text()).toBe(200);
    return (await response.json()) as Answer;
  }

  /** Enrol a node whose agent holds epoch 1; return its id. */
  async node(tenantId = SCOPE.tenant_id): Promise<string> {
    const token_sha256 = this.id("token");
    const management_node_id = this.id("node");
    await this.call("create-join-token", {
      token_sha256,
      tenant_id: tenantId,
      node_name: `of-${tenantId}`,
      created_by: "admin",
      created_at: T0,
      expires_at: T0 + SECOND,
    });
    await this.call("enroll-node", { token_sha256, public_key: "k", management_node_id, enrolled_at: T0 });
    await this.call("record-heartbeat", this.beat(management_node_id));
    return management_node_id;
  }

  beat(management_node_id: string): Body {
    return {
      management_node_id,
      agent_id: "agent-1",
      node_version: "1.0",
      policy: "{}",
      policy_version: "p1",
      capacity: "{}",
      health: '{"$disk": "ok"}',
      received_at: T0,
    };
  }

  submission(management_node_id: string, scope = SCOPE): Body & { submission_id: string; job_id: string } {
    return {
      submission_id: this.id("submission"),
      command_id: this.id("command"),
      ...scope,
      job_id: this.id("job"),
      idempotency_key: this.id("key"),
      intent_sha256: "0".repeat(64),
      management_node_id,
      accepted_at: T0,
      trace_id: "trace",
      command: '{"$any": "key"}',
      policy_version: "p1",
      max_open_submissions: 1_000_000,
    };
  }

  /** Create a submission; return its record. */
  async submit(nodeId: string, scope = SCOPE): Promise<Submission> {
    const { verdicts } = await this.call<{ verdicts: [{ record: Submission }] }>("create-submissions", {
      submissions: [this.submission(nodeId, scope)],
    });
    return verdicts[0].record;
  }

  /** Return the update that an event of `record` in `state` makes, at `seconds` after the start. */
  async update(record: Submission, state: ExecutionState, seconds = 0): Promise<Update> {
    const { tenant_id, workspace_id, job_id, submission_id, trace_id } = record;
    const eventId = await eventIdFor(submission_id, "process", state);
    return {
      ...{ tenant_id, workspace_id, job_id, submission_id, trace_id },
      projection_event_id: await projectionEventIdFor(submission_id, eventId),
      projection_state: projectionOf(state),
      source_execution_state: state,
      occurred_at: T0 + seconds * SECOND,
      execution_id: "process",
    };
  }

  application(management_node_id: string, ...updates: object[]): Body {
    return { management_node_id, updates, received_at: T0, synthesize_running: false };
  }

  /** Apply the events of `states`, a second apart. */
  async drive(record: Submission, ...states: ExecutionState[]): Promise<void> {
    const updates = await Promise.all(states.map((state, at) => this.update(record, state, at + 1)));
    const answer = await this.call("apply-projection-updates", this.application(record.management_node_id, ...updates));
    expect(answer).toEqual({ verdicts: states.map(() => ({ verdict: "applied" })) });
  }
}
