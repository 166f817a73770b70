import convexPlugin from "@convex-dev/eslint-plugin";
import { defineConfig } from "eslint/config";
import tseslint from "typescript-eslint";

export default defineConfig(
  { ignores: ["functions/_generated/"] },
  tseslint.configs.strictTypeChecked,
  {
    languageOptions: { parserOptions: { projectService: { allowDefaultProject: ["*.js"] } } },
    linterOptions: { reportUnusedDisableDirectives: "error" },
    rules: {
      // What is left over when fields are taken out of a record is the point of taking them out.
      "@typescript-eslint/no-unused-vars": ["error", { ignoreRestSiblings: true }],
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
    },
  },
  {
    files: ["functions/**/*.ts"],
    plugins: { "@convex-dev": convexPlugin },
    rules: {
      ...Object.fromEntries(Object.keys(convexPlugin.rules).map((name) => [`@convex-dev/${name}`, "error"])),
    },
  },
  // The only place without a typed environment: it is read as the functions are deployed.
  { files: ["functions/auth.config.ts"], rules: { "@convex-dev/no-process-env": "off" } },
);
