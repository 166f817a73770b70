/** The package as a registry would have it: packed, and laid out for Node and for browsers. */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, realpathSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const PACKAGE = fileURLToPath(new URL("../../", import.meta.url));
const DEPENDENCIES = ["eventsource-parser", "openapi-fetch"];

export interface Packed {
  /** Paths in the tarball, sorted. */
  files: string[];
  /** A folder with `node_modules`, where the package is installed with its dependencies. */
  folder: string;
  installed: string;
}

/** Build, pack and install the package into a folder of its own. */
export function packed(): Packed {
  const folder = mkdtempSync(join(tmpdir(), "slipway-pack-"));
  execFileSync("pnpm", ["pack", "--pack-destination", folder], { cwd: PACKAGE, stdio: "pipe" });
  const [tarball] = readdirSync(folder).filter((name) => name.endsWith(".tgz"));
  if (tarball === undefined) throw new Error("pnpm pack left no tarball");
  const files = execFileSync("tar", ["-tzf", join(folder, tarball)], { encoding: "utf8" }).trim().split("\n");
  const installed = join(folder, "node_modules", "@slipway", "api-client");
  mkdirSync(installed, { recursive: true });
  execFileSync("tar", ["-xzf", join(folder, tarball), "-C", installed, "--strip-components", "1"]);
  for (const name of DEPENDENCIES) {
    symlinkSync(realpathSync(join(PACKAGE, "node_modules", name)), join(folder, "node_modules", name));
  }
  return { files: files.map((file) => file.replace(/^package\//, "")).sort(), folder, installed };
}
