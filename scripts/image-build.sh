#!/bin/sh
# What the image is built of: `scripts/image-build.sh FOLDER` makes the virtual environment FOLDER
# and gathers the static files. Run by the Dockerfile, and by a test in a clean folder.
set -eu
environment=$1
cd "$(dirname "$0")/.."

"${PYTHON:-python3}" -m venv "$environment"
"$environment/bin/pip" install --quiet --no-cache-dir --disable-pip-version-check --require-hashes -r requirements.txt
"$environment/bin/python" -m compileall -q omr omr_project batches progress
# The secret key is made at the first run, never while building: a key of its own for this one command.
scratch=$(mktemp -d)
VAR_DIR=$scratch "$environment/bin/python" manage.py collectstatic --no-input --verbosity 0
rm -rf "$scratch"
