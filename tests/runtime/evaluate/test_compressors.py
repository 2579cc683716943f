"""The xz yardstick is what the command line gives."""

import lzma
import shutil
import subprocess

import pytest

from loopspec.runtime.evaluate.compressors import xz_bits_per_byte

TEXT = "".join(f"line {number * number % 977}: value = {number}\n" for number in range(3000)).encode()


def test_is_a_plausible_size():
    assert 0.5 < xz_bits_per_byte(TEXT) < 3
    assert xz_bits_per_byte(b"a") > 8 * 32, "the container's own bytes count"


@pytest.mark.skipif(shutil.which("xz") is None, reason="no xz command to compare with")
def test_is_what_the_command_line_writes():
    packed = subprocess.run(["xz", "-9e", "-T1", "-c"], input=TEXT, capture_output=True, check=True).stdout
    assert lzma.decompress(packed) == TEXT
    assert xz_bits_per_byte(TEXT) == len(packed) * 8 / len(TEXT)


def test_empty_text_is_refused():
    with pytest.raises(ValueError, match="empty"):
        xz_bits_per_byte(b"")
