// Writes the subtags that language tags are made of in `profiles/iana`; run it after a change, in a folder where npm
// installed language-subtag-registry 0.4.2 (CC0-1.0): node …/profiles/build_languages.mjs
//
// https://www.rfc-editor.org/rfc/rfc5646#section-3: the IANA registry of subtags, in lower case; `a..b` is a range.
import { writeFileSync } from "node:fs";
import { createRequire } from "node:module";

const registry = createRequire(process.cwd() + "/")("language-subtag-registry/data/json/registry.json");
const of = (type) =>
  registry
    .filter((row) => row.Type === type)
    .map((row) => (row.Subtag ?? row.Tag).toLowerCase())
    .sort()
    .join(" ");

const kinds = ["language", "extlang", "script", "region", "variant", "grandfathered"];
writeFileSync(
  new URL("iana/language-subtags.json", import.meta.url),
  JSON.stringify(Object.fromEntries(kinds.map((kind) => [kind, of(kind)])), null, 1) + "\n",
);
