#!/usr/bin/env bash
# Set up a real SGLang on the CPU, with a small trained model, in a cache folder:
#   setup.sh            folder: $EVALKIT_REAL_DIR, else ~/.cache/evalkit-real
# A second call with nothing changed only compares a stamp. Exit status 75: this machine cannot have the set-up
# (the one line on stderr says why), so that a caller can skip instead of fail.
#
#   EVALKIT_TORCH             torch requirement as pip takes it            (torch==2.13.0)
#   EVALKIT_TORCH_ALLOW_CUDA  1: go on although it is a CUDA build         (0)
#   EVALKIT_REAL_PYTHON       the Python 3.11 to make the venv with        (python3.11)
#   EVALKIT_REAL_TIMEOUT      seconds for everything together              (1500)
set -uo pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
FIXTURE=$HERE/../fixtures/tiny_trimode
ROOT=${EVALKIT_REAL_DIR:-$HOME/.cache/evalkit-real}
TORCH=${EVALKIT_TORCH:-torch==2.13.0}
PYTHON=${EVALKIT_REAL_PYTHON:-python3.11}
DEADLINE=$(($(date +%s) + ${EVALKIT_REAL_TIMEOUT:-1500}))
SGLANG=0.5.23
TORCHVISION=0.29.1
KERNEL=0.4.10 # the kernel release that SGLang $SGLANG asks for; the stub carries its number
VENV=$ROOT/venv
LOG=$ROOT/setup.log

give_up() {
  echo "evalkit-real: NOT SET UP: $*" >&2
  exit 75
}

hash_of() { cat "$@" | sha256sum | cut -d' ' -f1; }

# Run a command within what is left of the time; its output goes to the log.
step() {
  local left=$((DEADLINE - $(date +%s))) name=$1 status=0
  [ "$left" -gt 0 ] || give_up "out of time before: $name (raise EVALKIT_REAL_TIMEOUT)"
  shift
  timeout --kill-after=10 "$left" "$@" >>"$LOG" 2>&1 || status=$?
  case $status in 124 | 137) give_up "out of time in: $name (raise EVALKIT_REAL_TIMEOUT)" ;; esac
  return "$status"
}

# The last thing pip said was wrong, for the one line.
pip_error() { grep -E '^ *ERROR' "$LOG" | tail -1 | cut -c1-300; }

pip_install() {
  step "pip install $1" "$VENV/bin/python" -m pip install -q --no-input --retries 2 --disable-pip-version-check "${@:2}"
}

packages=$({
  echo "$SGLANG $TORCHVISION $TORCH"
  cat "$HERE/requirements.txt"
} | sha256sum | cut -d' ' -f1)
recipe=$packages-$(hash_of "$HERE/setup.sh" "$HERE/sgl_kernel_stub.py" "$HERE/build_model.py" \
  "$FIXTURE/weights.safetensors" "$FIXTURE/tokenizer.json" "$FIXTURE/chat_template.jinja")

# Fast way out: same recipe, and what it made is still there.
ready() {
  [ "$(cat "$ROOT/ready.stamp" 2>/dev/null)" = "$recipe" ] && [ -x "$VENV/bin/python" ] &&
    [ -f "$ROOT/models/sdar/model.safetensors" ] && [ -f "$ROOT/models/qwen3/model.safetensors" ]
}
if ready; then
  echo "evalkit-real: ready in $ROOT"
  exit 0
fi

[ "$(uname -s)" = Linux ] || give_up "SGLang's CPU path needs Linux, this is $(uname -s)"
for tool in timeout flock sha256sum; do
  command -v "$tool" >/dev/null || give_up "no $tool command"
done
"$PYTHON" -c 'import sys, ensurepip; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null ||
  give_up "no Python 3.11 with venv at '$PYTHON' (set EVALKIT_REAL_PYTHON)"
command -v "${CXX:-c++}" >/dev/null || give_up "no C++ compiler (SGLang compiles its n-gram store at the first start)"
mkdir -p "$ROOT" || give_up "cannot write to $ROOT"
exec 9>"$ROOT/setup.lock"
flock -w "$((DEADLINE - $(date +%s)))" 9 || give_up "another set-up holds $ROOT/setup.lock"
ready && exit 0 # the one waited for did it
rm -f "$ROOT/ready.stamp"
: >"$LOG"

if [ "$(cat "$ROOT/packages.stamp" 2>/dev/null)" != "$packages" ] || [ ! -x "$VENV/bin/python" ]; then
  free_mb=$(df -Pm "$ROOT" | awk 'NR == 2 { print $4 }')
  [ "$free_mb" -gt 5000 ] || give_up "only $free_mb MB free at $ROOT, 5000 needed"
  echo "evalkit-real: installing SGLang $SGLANG for the CPU in $VENV (about 3 GB, some minutes; log: $LOG)"
  rm -f "$ROOT/packages.stamp"
  step "venv" "$PYTHON" -m venv --clear "$VENV" || give_up "could not make a venv (see $LOG)"

  # A plain torch requirement may mean a CUDA build. Its metadata tells before several GB come in.
  report=$ROOT/torch-report.json
  # shellcheck disable=SC2086  # EVALKIT_TORCH may hold pip options
  pip_install "torch, dry run" --dry-run --no-deps --ignore-installed --report "$report" $TORCH ||
    give_up "pip finds no '$TORCH' (no network, or no such wheel): $(pip_error)"
  cuda=$("$VENV/bin/python" - "$report" <<'PY'
import json, sys

metadata = json.load(open(sys.argv[1]))["install"][0]["metadata"]
print(sum("nvidia-" in r or r.startswith("cuda-") for r in metadata.get("requires_dist", []) if "extra ==" not in r))
PY
  )
  if [ "${cuda:-0}" != 0 ] && [ "${EVALKIT_TORCH_ALLOW_CUDA:-0}" != 1 ]; then
    give_up "'$TORCH' is a CUDA build of several GB here: point EVALKIT_TORCH or PIP_FIND_LINKS at a CPU wheel, or set EVALKIT_TORCH_ALLOW_CUDA=1"
  fi
  # shellcheck disable=SC2086
  pip_install torch $TORCH || give_up "pip could not install '$TORCH': $(pip_error)"
  build=$("$VENV/bin/python" -c 'import torch; print(torch.version.cuda)' 2>>"$LOG") || give_up "torch does not import (see $LOG)"
  [ "$build" = None ] || echo "evalkit-real: WARNING: this torch is a CUDA $build build; the recipe is meant for a CPU build" >&2
  # One resolution with torch named again, so that no other package may replace it.
  # shellcheck disable=SC2086
  pip_install requirements $TORCH -r "$HERE/requirements.txt" || give_up "pip could not install the requirements: $(pip_error)"
  # Without dependencies: those two would bring CUDA packages.
  pip_install sglang --no-deps "sglang==$SGLANG" "torchvision==$TORCHVISION" ||
    give_up "pip could not install sglang==$SGLANG: $(pip_error)"
  echo "$packages" >"$ROOT/packages.stamp"
fi

site=$("$VENV/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
# SGLang imports torchvision for its Python transforms only. Its compiled operators don't load beside a CPU torch,
# and this file is the one that registers shapes for them at import.
echo '# Emptied: the operators described here are not loaded.' >"$site/torchvision/_meta_registrations.py"
# The compiled kernel package has no build for a plain CPU: a stub lets its names resolve (see sgl_kernel_stub.py).
mkdir -p "$site/sgl_kernel" && cp "$HERE/sgl_kernel_stub.py" "$site/sgl_kernel/__init__.py"
for name in sgl_kernel sglang_kernel; do # SGLang looks up the version under either name
  mkdir -p "$site/$name-$KERNEL.dist-info"
  printf 'Metadata-Version: 2.1\nName: %s\nVersion: %s\n' "$name" "$KERNEL" >"$site/$name-$KERNEL.dist-info/METADATA"
done
export SGLANG_CACHE_DIR=$ROOT/cache/sglang HF_HOME=$ROOT/cache/huggingface # importing makes folders
step "import" "$VENV/bin/python" -c 'import sgl_kernel, sglang, torchvision' || give_up "SGLang does not import (see $LOG)"
step "model" "$VENV/bin/python" "$HERE/build_model.py" "$ROOT/models" || give_up "the model could not be built (see $LOG)"
echo "$recipe" >"$ROOT/ready.stamp"
echo "evalkit-real: ready in $ROOT"
