#!/usr/bin/env bash
# fhirpy 2.3.1 counts a search with `_totalMethod=count`, a parameter that no release of FHIR defines (R4 search.html has
# `_total` and `_summary=count`). A server that refuses unknown parameters, as R4 lets a client ask by
# `Prefer: handling=strict`, therefore refuses `.count()` of this client and nothing else that it sends.
# Seen: GET /Patient?_count=0&_totalMethod=count
# Fails when the client sends something else.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --quiet --disable-pip-version-check install fhirpy==2.3.1
"$folder/venv/bin/python" - <<'PYTHON'
import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.metadata import version
from urllib.parse import parse_qs, urlsplit

from fhirpy import SyncFHIRClient

seen = []


class Server(BaseHTTPRequestHandler):
    def do_GET(self):
        seen.append(self.path)
        body = json.dumps({"resourceType": "Bundle", "type": "searchset", "total": 3}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/fhir+json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


server = HTTPServer(("127.0.0.1", 0), Server)
threading.Thread(target=server.serve_forever, daemon=True).start()
client = SyncFHIRClient(f"http://127.0.0.1:{server.server_port}")
total = client.resources("Patient").count()
server.shutdown()
query = parse_qs(urlsplit(seen[0]).query)
print(f"fhirpy {version('fhirpy')}: count() gave {total} and asked {seen[0]}")
assert total == 3 and query.get("_totalMethod") == ["count"] and "_total" not in query, query
PYTHON
