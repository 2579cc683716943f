"""The order-3 yardstick: a proper distribution, equal to a plain implementation of its formula."""

from collections import Counter, defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.examples import examples

from loopspec.runtime.evaluate.order3 import ORDER, Order3Model, order3_bits_per_byte

LETTERS = st.lists(st.sampled_from(b"abc\n"), min_size=1, max_size=60).map(bytes)


def plain_probabilities(train: bytes, text: bytes) -> list[float]:
    """Interpolated Kneser-Ney written down with dictionaries."""
    padded = b"\n" * ORDER + train
    grams = Counter(padded[index : index + ORDER + 1] for index in range(len(train)))
    levels = [grams]
    for _ in range(ORDER):
        levels.append(Counter(gram[1:] for gram in levels[-1]))
    tables = []
    for counts in reversed(levels):
        followers = defaultdict(list)
        for gram, count in counts.items():
            followers[gram[:-1]].append(count)
        ones, twos = (sum(count == number for count in counts.values()) for number in (1, 2))
        tables.append((counts, followers, ones / (ones + 2 * twos) if ones else 0.5))
    source = b"\n" * ORDER + text
    result = []
    for index in range(len(text)):
        probability = 1 / 256
        for order, (counts, followers, discount) in enumerate(tables):
            gram = source[index + ORDER - order : index + ORDER + 1]
            seen = followers.get(gram[:-1])
            if seen:
                share = max(counts[gram] - discount, 0) + discount * len(seen) * probability
                probability = share / sum(seen)
        result.append(probability)
    return result


@examples(50)
@given(LETTERS, LETTERS)
def test_equals_the_plain_implementation(train, text):
    np.testing.assert_allclose(Order3Model(train).probabilities(text), plain_probabilities(train, text), rtol=1e-12)


@examples(20)
@given(LETTERS, st.lists(st.sampled_from(b"abcd\n"), min_size=3, max_size=3).map(bytes))
def test_probabilities_of_all_bytes_sum_to_one(train, context):
    model = Order3Model(train)
    total = sum(model.probabilities(context + bytes([byte]))[-1] for byte in range(256))
    assert total == pytest.approx(1)


def test_learns_what_repeats():
    train = b"for item in items:\n    print(item)\n" * 200
    assert order3_bits_per_byte(train, train[:500]) < 0.6
    assert order3_bits_per_byte(train, bytes(range(128, 256))) > 8


@pytest.mark.parametrize(("train", "text"), [(b"", b"a"), (b"a", b"")])
def test_empty_texts_are_refused(train, text):
    with pytest.raises(ValueError, match="is empty"):
        order3_bits_per_byte(train, text)
