/** Whose tokens the pages take is told by the deployment's environment, all of it or not at all. */
import { beforeEach, expect, test, vi } from "vitest";

const SETTINGS = {
  SLIPWAY_AUTH_ISSUER: "https://auth.example.org",
  SLIPWAY_AUTH_JWKS_URL: "https://auth.example.org/jwks.json",
  SLIPWAY_AUTH_AUDIENCE: "slipway",
  SLIPWAY_AUTH_ALGORITHM: "RS256",
};

beforeEach(() => {
  vi.resetModules();
  for (const [name, value] of Object.entries(SETTINGS)) vi.stubEnv(name, value);
});

test("an issuer's tokens are taken for the audience alone", async () => {
  const { default: config } = await import("../functions/auth.config");
  expect(config.providers).toEqual([
    {
      type: "customJwt",
      issuer: SETTINGS.SLIPWAY_AUTH_ISSUER,
      jwks: SETTINGS.SLIPWAY_AUTH_JWKS_URL,
      applicationID: "slipway",
      algorithm: "RS256",
    },
  ]);
});

test.each(Object.keys(SETTINGS))("nothing is deployed without %s", async (name) => {
  for (const value of [undefined, ""]) {
    vi.stubEnv(name, value);
    vi.resetModules();
    await expect(import("../functions/auth.config")).rejects.toThrow(name);
  }
});

test("EdDSA, which Convex does not check, is refused", async () => {
  vi.stubEnv("SLIPWAY_AUTH_ALGORITHM", "EdDSA");
  await expect(import("../functions/auth.config")).rejects.toThrow("ES256 or RS256");
});
