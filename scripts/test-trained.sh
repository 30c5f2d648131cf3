#!/bin/sh
# Has diffusers read and draw with what `cosmicman train` writes (oracle/trained.py). PYTHON
# is a Python with oracle/requirements.txt; by default one is made in bin/oracle, which
# takes some gigabytes.
set -eu
cd "$(dirname "$0")/.."
if [ -z "${PYTHON:-}" ]; then
	want=$(sha256sum oracle/requirements.txt | cut -d' ' -f1)
	if [ "$(cat bin/oracle/.installed 2>/dev/null || true)" != "$want" ]; then
		rm -rf bin/oracle
		python3 -m venv bin/oracle
		bin/oracle/bin/pip install --quiet -r oracle/requirements.txt
		echo "$want" >bin/oracle/.installed
	fi
	PYTHON=bin/oracle/bin/python
fi
exec "$PYTHON" oracle/trained.py bin/cosmicman --library bin/lib
