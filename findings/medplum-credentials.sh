#!/usr/bin/env bash
# @medplum/core 4.5.2 sends every request with `credentials: 'include'` and a header of its own, `X-Medplum`, also to
# servers that know neither a cookie of its pages nor that header. In a browser, an answer with
# `Access-Control-Allow-Origin: *` is then unreadable for it (Fetch, "CORS protocol and credentials"), and a preflight
# must allow `x-medplum`: a FHIR server whose CORS serves other SMART libraries serves none of its calls.
# Seen: credentials=include, headers accept,x-medplum
# Fails when the client asks in another way.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund --prefix "$folder" @medplum/core@4.5.2 >/dev/null
cat > ask.mjs <<'JS'
import { readFileSync } from 'node:fs';
import { MedplumClient } from '@medplum/core';

const asked = [];
const answer = { resourceType: 'Bundle', type: 'searchset', entry: [] };
const fetch = async (url, options) => {
  asked.push({ url: String(url), options });
  return new Response(JSON.stringify(answer), { status: 200, headers: { 'Content-Type': 'application/fhir+json' } });
};
const client = new MedplumClient({ baseUrl: 'https://fhir.example/', fhirUrlPath: 'fhir', fetch });
await client.search('Patient', { _count: 1 });
const { version } = JSON.parse(readFileSync('node_modules/@medplum/core/package.json', 'utf8'));
const { credentials, headers } = asked[0].options;
const names = Object.keys(headers).map((name) => name.toLowerCase()).sort().join();
console.log(`@medplum/core ${version}: credentials=${credentials}, headers ${names}`);
if (credentials !== 'include' || !names.includes('x-medplum')) process.exit(1);
JS
node ask.mjs
