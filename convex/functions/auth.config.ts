/**
 * Whose tokens the pages take: those that the gateway takes, by the same settings.
 *
 * Read as the functions are deployed; a variable that is not set fails the deployment.
 */
import type { AuthConfig } from "convex/server";

function given(name: string, value: string | undefined): string {
  if (value === undefined || value === "") throw new Error(`the deployment's ${name} is not set`);
  return value;
}

function algorithm(name: string): "ES256" | "RS256" {
  if (name === "ES256" || name === "RS256") return name;
  throw new Error("SLIPWAY_AUTH_ALGORITHM is ES256 or RS256");
}

export default {
  providers: [
    {
      type: "customJwt",
      issuer: given("SLIPWAY_AUTH_ISSUER", process.env.SLIPWAY_AUTH_ISSUER),
      jwks: given("SLIPWAY_AUTH_JWKS_URL", process.env.SLIPWAY_AUTH_JWKS_URL),
      // Without it a token for anybody else would be taken too.
      applicationID: given("SLIPWAY_AUTH_AUDIENCE", process.env.SLIPWAY_AUTH_AUDIENCE),
      algorithm: algorithm(given("SLIPWAY_AUTH_ALGORITHM", process.env.SLIPWAY_AUTH_ALGORITHM)),
    },
  ],
} satisfies AuthConfig;
