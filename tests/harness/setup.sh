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
# NeMo Evaluator asks for a newer Python than evalkit does.
for newer in python3.13 python3.12 "$python"; do
  "$newer" -c 'import sys; sys.exit(sys.version_info < (3, 12))' 2>/dev/null && break
done
python=$newer made nel nel "nemo-evaluator==0.3.0" scipy || { echo "NeMo Evaluator cannot be installed here"; status=75; }
# promptfoo, with a Node.js of its own: it asks for a newer one than many systems have. 1.6 GB.
if [ ! -x build/harness/promptfoo/node_modules/.bin/promptfoo ]; then
  mkdir -p build/harness/promptfoo &&
    npm install --prefix build/harness/promptfoo --no-fund --no-audit --loglevel error node@24.21.0 promptfoo@0.123.1 >&2 &&
    build/harness/promptfoo/node_modules/.bin/node --version >&2 ||
    { rm -rf build/harness/promptfoo; echo "promptfoo cannot be installed here"; status=75; }
fi
exit $status
