"""The peak of the longest name that fits, in FLOP/s."""

from __future__ import annotations

import pytest
from bench.device_peaks import peak_flops


@pytest.mark.parametrize(
    ("name", "teraflops"),
    [
        ("NVIDIA H200", 989.5),
        ("NVIDIA H200 NVL", 835.5),
        ("NVIDIA H100 80GB HBM3", 989.5),
        ("NVIDIA H100 PCIe", 756.5),
        ("NVIDIA A100-SXM4-80GB", 312.0),
        ("NVIDIA L4", 121.0),
        ("NVIDIA L40S", 362.05),
    ],
)
def test_peak_of_a_known_device(name: str, teraflops: float) -> None:
    assert peak_flops(name) == pytest.approx(teraflops * 1e12)


def test_an_unknown_device_has_no_peak() -> None:
    assert peak_flops("NVIDIA H100") is None  # which of them it is cannot be told
    assert peak_flops("AMD Instinct MI300X") is None
