#!/usr/bin/env bash
# Serve tiny-trimode with the SGLang that setup.sh installed, in the foreground:
#   serve.sh MODE PORT [more flags of the engine]
# MODE: ar | ngram | diffusion | diffusion:NAME   (NAME.yaml in tests/fixtures/tiny_trimode/dllm, such as b8-t0.5)
#       smollm2                                     (after setup_smollm2.sh; another model, autoregressive)
#       vllm | vllm-ngram                           (after setup_vllm.sh; autoregressive, with n-gram drafts)
#       vllm-diffusion                              (after setup_vllm.sh; tiny DiffusionGemma, random weights)
# The process keeps its id, so whoever started this script can stop the server. Environment: EVALKIT_REAL_DIR as in
# setup.sh; EVALKIT_REAL_DRAFT, drafted tokens of ngram (6).
set -euo pipefail

[ $# -ge 2 ] || { sed -n '3,7s/^# *//p' "$0" >&2 && exit 2; }
MODE=$1 PORT=$2
shift 2
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ROOT=${EVALKIT_REAL_DIR:-$HOME/.cache/evalkit-real}

NAME=tiny-trimode
MODEL=qwen3

serve_vllm() {
  export HF_HUB_OFFLINE=1 VLLM_NO_USAGE_STATS=1 OMP_NUM_THREADS=1
  export VLLM_CPU_KVCACHE_SPACE=1 # GiB; else a share of all memory
  export HF_HOME=$ROOT/cache/huggingface VLLM_CACHE_ROOT=$ROOT/cache/vllm
  # --enforce-eager: compiling takes longer than all that is asked of it here.
  exec "$ROOT/vllm-venv/bin/vllm" serve "$ROOT/models/$MODEL" --served-model-name "$NAME" --host 127.0.0.1 \
    --port "$PORT" --dtype float32 --enforce-eager --max-model-len 2048 --max-num-seqs 8 \
    --enable-auto-tool-choice --tool-call-parser hermes "$@"
}

case $MODE in
  vllm)
    serve_vllm "$@"
    ;;
  vllm-ngram)
    serve_vllm --speculative-config "{\"method\": \"ngram\", \"num_speculative_tokens\": ${EVALKIT_REAL_DRAFT:-6}, \
      \"prompt_lookup_max\": 4, \"prompt_lookup_min\": 1}" "$@"
    ;;
  vllm-diffusion)
    NAME=diffusion-gemma
    MODEL=$NAME
    # Layers of two head sizes make vLLM choose Triton, which no CPU has: its CPU attention takes both when it is named.
    # The sampler's functions are for torch.compile, which takes minutes here; run as they are they give the same.
    export TORCHDYNAMO_DISABLE=1
    # Only vLLM's second model runner diffuses. It is made of Triton kernels: Triton's interpreter runs them (see
    # triton_cpu_stub.py).
    export VLLM_USE_V2_MODEL_RUNNER=1 TRITON_INTERPRET=1 PYTHONPATH=$ROOT/triton-stub
    serve_vllm --language-model-only --attention-backend CPU_ATTN "$@"
    ;;
  ar)
    MODEL=qwen3
    FLAGS=(--attention-backend torch_native)
    ;;
  smollm2)
    NAME=smollm2-135m
    MODEL=$NAME
    FLAGS=(--attention-backend torch_native)
    ;;
  ngram)
    # torch_native cannot check drafts, and a plain "intel_amx" is turned back into torch_native on a CPU without
    # AMX. Named for the prefill side alone it stays, and the check runs through the kernel stub's attention.
    MODEL=qwen3
    FLAGS=(--prefill-attention-backend intel_amx --decode-attention-backend torch_native
      --speculative-algorithm NGRAM --speculative-num-draft-tokens "${EVALKIT_REAL_DRAFT:-6}")
    ;;
  diffusion | diffusion:*)
    # Its own folder: the SDAR class has no causal attention, so it needs the dLLM algorithm to be right.
    MODEL=sdar
    FLAGS=(--attention-backend torch_native --trust-remote-code --dllm-algorithm LowConfidence)
    if [ "$MODE" != diffusion ]; then
      CONFIG=$HERE/../fixtures/tiny_trimode/dllm/${MODE#diffusion:}.yaml
      [ -f "$CONFIG" ] || { echo "serve.sh: no such diffusion setting: ${MODE#diffusion:}" >&2 && exit 2; }
      FLAGS+=(--dllm-algorithm-config "$CONFIG")
    fi
    ;;
  *)
    echo "serve.sh: unknown mode: $MODE" >&2
    exit 2
    ;;
esac

export SGLANG_USE_CPU_ENGINE=1 # read at import: without it SGLang looks for a GPU
export OMP_NUM_THREADS=1       # this small a model is slower on two threads, which spin against everything else
export HF_HUB_OFFLINE=1        # everything is in the folder
export PATH=$ROOT/venv/bin:$PATH # ninja, for what SGLang compiles
# The home folder stays clean; n-gram's compiled store is found again at the next start.
export SGLANG_CACHE_DIR=$ROOT/cache/sglang SGLANG_JIT_CACHE_DIR=$ROOT/cache/jit HF_HOME=$ROOT/cache/huggingface
# --max-total-tokens: else most of the memory becomes cache. --sleep-on-idle: else one core spins for ever.
# --dtype: a CPU without bf16 hardware takes three times as long in bf16.
exec "$ROOT/venv/bin/python" -m sglang.launch_server --model-path "$ROOT/models/$MODEL" \
  --served-model-name "$NAME" --host 127.0.0.1 --port "$PORT" --device cpu --dtype float32 \
  --disable-cuda-graph --disable-overlap-schedule --sleep-on-idle --max-total-tokens 16384 --context-length 2048 \
  --max-running-requests 8 --tool-call-parser qwen --enable-metrics "${FLAGS[@]}" "$@"
