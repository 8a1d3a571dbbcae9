#!/usr/bin/env bash
# Validators of what evalkit ships for other systems, in build/tools. Exit status 75: they cannot be installed here.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1
stamp=build/tools/.$(cat pyproject.toml constraints/tools.txt | sha256sum | cut -c1-16)
[ ! -e "$stamp" ] || exit 0
rm -rf build/tools
"${PYTHON:-python3}" -m venv build/tools &&
  build/tools/bin/pip install -q --disable-pip-version-check --require-hashes -r constraints/tools.txt &&
  build/tools/bin/pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e . &&
  touch "$stamp" || exit 75
