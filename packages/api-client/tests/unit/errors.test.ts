import { describe, expect, test } from "vitest";
import { refusal, type Problem } from "../../src/index.js";

function message(code: string, detail: string, errors: NonNullable<Problem["errors"]> = []): string {
  return refusal({ type: `urn:${code}`, title: code, status: 400, detail, code, trace_id: "t", retryable: false, errors })
    .message;
}

describe("a refusal's message", () => {
  test("is code and detail where no field is named", () => {
    expect(message("job_active", "the job is open")).toBe("job_active: the job is open");
  });

  test("names the fields that did not hold", () => {
    const errors = [
      { field: "limit", message: "must be a number" },
      { field: "mood", message: "unknown" },
    ];
    expect(message("invalid_request", "the query does not hold", errors)).toBe(
      "invalid_request: the query does not hold; limit: must be a number; mood: unknown",
    );
  });

  test("tells a reason that the detail gives once, and with its field", () => {
    const reason = "64 $& is over the queue's limit";
    const errors = [
      { field: "resource_shape.cpu", message: reason },
      { field: "resource_shape.memory_mib", message: reason },
    ];
    expect(message("policy_rejected", `the node's policy refuses: ${reason}`, errors)).toBe(
      `policy_rejected: the node's policy refuses: resource_shape.cpu: ${reason}; resource_shape.memory_mib: ${reason}`,
    );
  });

  test("leaves a detail that names field and reason as it is", () => {
    const errors = [{ field: "tenant_id", message: "is not the token's" }];
    expect(message("forbidden", "tenant_id is not the token's", errors)).toBe("forbidden: tenant_id is not the token's");
  });

  test("counts the fields after the first three", () => {
    const errors = Array.from({ length: 9 }, (_, index) => ({ field: `f${index}`, message: "is unknown" }));
    expect(message("invalid_request", "the body does not hold", errors)).toBe(
      "invalid_request: the body does not hold; f0: is unknown; f1: is unknown; f2: is unknown; and 6 more",
    );
  });
});
