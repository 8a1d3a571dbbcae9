#!/usr/bin/env bash
# Ray with evalkit's own dependencies, in ~/.cache/evalkit-ray. Exit status 75: this machine cannot have it.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1
home=${EVALKIT_RAY_HOME:-$HOME/.cache/evalkit-ray}
stamp=$home/.$(sha256sum constraints/ray.txt | cut -c1-16)
[ ! -e "$stamp" ] || exit 0
rm -rf "$home"
"${PYTHON:-python3}" -m venv "$home" &&
  "$home/bin/pip" install -q --disable-pip-version-check --require-hashes -r constraints/ray.txt &&
  touch "$stamp" || exit 75
