"""Bits per byte of a general compressor: a yardstick that needs no training."""

import lzma


def xz_bits_per_byte(text: bytes) -> float:
    """Compressed bits per byte of `text` as `xz -9e` writes it, container and checksum included.

    Raises:
        ValueError: `text` is empty.
    """
    if not text:
        raise ValueError("the text to compress is empty; give at least one byte")
    packed = lzma.compress(text, format=lzma.FORMAT_XZ, check=lzma.CHECK_CRC64, preset=9 | lzma.PRESET_EXTREME)
    return len(packed) * 8 / len(text)
