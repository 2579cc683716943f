"""Peak rates of GPUs for bfloat16 matrix products, without sparsity, as their makers' data sheets give them."""

from __future__ import annotations

# Start of the name that CUDA gives -> TFLOP/s. NVIDIA data sheets: where they print rates with sparsity, half of those.
PEAK_TFLOPS = {
    "NVIDIA H200 NVL": 835.5,  # H200 data sheet: 1,671 with sparsity
    "NVIDIA H200": 989.5,  # H200 SXM: 1,979
    "NVIDIA H100 NVL": 835.5,  # H100 data sheet: 1,671
    "NVIDIA H100 PCIe": 756.5,  # H100 data sheet: 1,513
    "NVIDIA H100 80GB HBM3": 989.5,  # H100 SXM: 1,979
    "NVIDIA GH200": 989.5,  # GH200 data sheet: 1,979
    "NVIDIA A100": 312.0,  # A100 data sheet
    "NVIDIA L40S": 362.05,  # L40S data sheet
    "NVIDIA L4": 121.0,  # L4 data sheet: 242 with sparsity
    "NVIDIA GeForce RTX 4090": 165.2,  # Ada white paper, with float32 accumulation
    "NVIDIA GeForce RTX 3090": 71.0,  # Ampere GA102 white paper, with float32 accumulation
}


def peak_flops(device_name: str) -> float | None:
    """FLOP/s of the device of the longest name that fits; None where none does."""
    fitting = [name for name in PEAK_TFLOPS if device_name.startswith(name)]
    return 1e12 * PEAK_TFLOPS[max(fitting, key=len)] if fitting else None
