#!/usr/bin/env bash
# Environments of the real harnesses under build/harness, one each. Exit status 75: this machine cannot have one of them.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1
python=${PYTHON:-python3}
made() { # NAME PROGRAM PACKAGES…
  local name=$1 program=$2; shift 2
  [ ! -x "build/harness/$name/bin/$program" ] || return 0
  rm -rf "build/harness/$name"
  "$python" -m venv "build/harness/$name" &&
    "build/harness/$name/bin/pip" install -q --disable-pip-version-check "$@" && [ -x "build/harness/$name/bin/$program" ]
}
mkdir -p build/harness
status=0
made lm-eval lm_eval "lm-eval[api]==0.4.13" || { echo "lm-eval cannot be installed here"; status=75; }
made inspect inspect "inspect-ai==0.3.285" openai || { echo "Inspect cannot be installed here"; status=75; }
exit $status
