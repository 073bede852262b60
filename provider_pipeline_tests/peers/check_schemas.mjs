// Reads {openrouter, librechat, continue} as JSON from standard input, and says by name what each tool's own schema refuses.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const packages = join(process.argv[2], "package.json");
const load = (name) => import(pathToFileURL(createRequire(packages).resolve(name)));
const given = JSON.parse(readFileSync(0, "utf8"));
const { ModelsListResponse$inboundSchema } = await load("@openrouter/sdk/models");
const librechat = await load("librechat-data-provider");
const { configYamlSchema } = await load("@continuedev/config-yaml");
const schemas = {
  openrouter: ModelsListResponse$inboundSchema,
  librechat: (librechat.default ?? librechat).configSchema,
  continue: configYamlSchema,
};
const refused = {};
for (const [name, schema] of Object.entries(schemas)) {
  const result = schema.safeParse(given[name]);
  refused[name] = result.success ? [] : result.error.issues.slice(0, 5);
}
console.log(JSON.stringify(refused));
