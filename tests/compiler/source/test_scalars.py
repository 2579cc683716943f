import pytest

from loopspec.compiler.source.scalars import NumberError, resolve_plain

VALUES = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None, "nUll": "nUll",
    "true": True, "True": True, "TRUE": True, "false": False, "tRue": "tRue",
    "yes": "yes", "on": "on", "off": "off", "n": "n",
    "0": 0, "-3": -3, "+3": 3, "010": 10, "0o17": 15, "0x1F": 31, "-0o7": "-0o7", "0b1": "0b1",
    "1:30": "1:30", "1_000": "1_000", "2024-01-01": "2024-01-01", "12e": "12e", "٣": "٣",
    "3e-4": 3e-4, "1e3": 1000.0, "1.": 1.0, ".5": 0.5, "-.5e+2": -50.0, "3.0": 3.0, ".": ".", "e3": "e3",
    "99999999999999999999": 99999999999999999999, "0" * 500 + "7": 7, "1\n": "1\n",
}  # fmt: skip


@pytest.mark.parametrize("text", VALUES)
def test_core_schema(text):
    value = resolve_plain(text)
    assert value == VALUES[text]
    assert type(value) is type(VALUES[text])


@pytest.mark.parametrize(
    "text", [".inf", "-.Inf", "+.INF", ".nan", ".NaN", "1e999", "-1e999", "1" * 21, "0x" + "f" * 21]
)
def test_refused_numbers(text):
    with pytest.raises(NumberError):
        resolve_plain(text)


def test_a_million_digits_cost_nothing():
    with pytest.raises(NumberError, match="1000000 digits"):
        resolve_plain("9" * 1_000_000)
