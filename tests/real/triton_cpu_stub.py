"""A backend of Triton's that compiles nothing, so that vLLM finds Triton on a machine without a GPU.

vLLM's second model runner, which alone serves diffusion models, is written in Triton kernels, and no release of Triton
compiles for a CPU. With TRITON_INTERPRET=1 Triton runs its kernels in its own interpreter, in numpy, and asks a backend
for nothing but its name. setup_vllm.sh installs this file as both modules of a backend called "cpu".
"""

from typing import Any

from triton.backends.compiler import BaseBackend, GPUTarget
from triton.backends.driver import DriverBase


class CPUBackend(BaseBackend):
    """Compiles nothing."""

    @staticmethod
    def supports_target(target: GPUTarget) -> bool:
        return target.backend == "cpu"

    def hash(self) -> str:
        return "interpreted"

    def parse_options(self, options: dict[str, Any]) -> object:
        raise NotImplementedError("kernels are interpreted here: set TRITON_INTERPRET=1")

    def add_stages(self, stages: dict[str, Any], options: object, language: Any) -> None:
        raise NotImplementedError("kernels are interpreted here: set TRITON_INTERPRET=1")

    def load_dialects(self, context: Any) -> None:
        return None

    def get_module_map(self) -> dict[str, Any]:
        return {}


class CPUDriver(DriverBase):
    """The only active driver."""

    def __init__(self) -> None:
        pass

    @classmethod
    def is_active(cls) -> bool:
        return True

    def map_python_to_cpp_type(self, ty: str) -> str:
        return ty

    def get_current_target(self) -> GPUTarget:
        return GPUTarget("cpu", 0, 32)

    def get_active_torch_device(self) -> Any:
        import torch

        return torch.device("cpu")

    def get_benchmarker(self) -> Any:
        raise NotImplementedError("an interpreter is not timed")
