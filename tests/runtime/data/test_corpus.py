"""The embedded corpus: what is taken, what is left out and counted, and how it is split."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.examples import examples

from loopspec.runtime.data.corpus import Corpus, Document, split_documents, standard_library_corpus
from loopspec.runtime.data.errors import CorpusError


def write_tree(root: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def names(corpus: Corpus) -> set[str]:
    return {document.name for document in (*corpus.train, *corpus.validation)}


def test_takes_source_files_and_counts_what_it_cannot_use(tmp_path):
    usable = {f"package/module{index}.py": f"value = {index}\r\n".encode() for index in range(20)}
    unusable = {
        "latin1.py": b"# caf\xe9\n",
        "empty.py": b"",
        "block.py": "# \u2581\n".encode(),
        "encodings/cp437.py": b"table = 1\n",
        "_sysconfigdata__linux.py": b"prefix = '/home/me'\n",
    }
    outside = {
        f"{folder}/module.py": b"unseen = 1\n"
        for folder in (
            "test",
            "lib2to3/tests",
            "idlelib/idle_test",
            "site-packages/numpy",
            "a/__pycache__",
            "ensurepip",
        )
    }
    write_tree(tmp_path, {**usable, **unusable, **outside, "notes.txt": b"text"})
    corpus = standard_library_corpus(validation_bytes=60, root=tmp_path)
    assert names(corpus) == set(usable)
    assert {file.name: file.reason for file in corpus.skipped} == {
        "latin1.py": "not UTF-8",
        "empty.py": "empty",
        "block.py": "contains U+2581",
        "encodings/cp437.py": "generated code table",
        "_sysconfigdata__linux.py": "describes this machine",
    }
    assert corpus.skipped_counts["empty"] == 1
    assert all(document.text.endswith("\r\n") for document in corpus.train), "line ends are kept as stored"


def test_missing_source_is_one_clear_error(tmp_path):
    write_tree(tmp_path, {"os.pyc": b"\0"})
    with pytest.raises(CorpusError, match=r"no usable \*\.py source.*token shards") as caught:
        standard_library_corpus(root=tmp_path)
    assert str(tmp_path) in str(caught.value)


def test_copies_of_validation_text_leave_training_and_are_counted():
    documents = [Document(f"file{index}.py", f"text {index:02d}") for index in range(12)]
    before = split_documents(documents, 28)
    copies = [Document(f"copy{index}.py", document.text) for index, document in enumerate(before.validation)]
    after = split_documents([*documents, *copies], 28)
    held_out = {document.text for document in after.validation}
    assert not held_out & {document.text for document in after.train}
    assert after.skipped_counts["same text as a validation file"] >= 1
    assert len(after.train) + len(after.validation) + len(after.skipped) == len(documents) + len(copies)


@examples(50)
@given(
    st.dictionaries(st.text("abc/", min_size=1, max_size=8), st.text(min_size=1, max_size=30), min_size=1, max_size=20),
    st.integers(1, 200),
)
def test_split_is_a_partition_of_bounded_size(files, wanted):
    documents = [Document(name, text) for name, text in files.items()]
    try:
        corpus = split_documents(documents, wanted)
    except CorpusError:
        small = [size for size in (len(text.encode()) for text in files.values()) if size * 4 <= wanted]
        held_out = {text for text in files.values() if len(text.encode()) * 4 <= wanted}
        assert sum(small) < wanted or set(files.values()) <= held_out
        return
    sizes = [len(document.text.encode()) for document in corpus.validation]
    assert wanted <= sum(sizes) < wanted + max(sizes)
    assert max(sizes) * 4 <= wanted
    listed = [document.name for document in (*corpus.train, *corpus.validation)] + [
        file.name for file in corpus.skipped
    ]
    assert sorted(listed) == sorted(files)


def test_split_does_not_depend_on_the_order_of_reading_and_the_digest_sees_every_change():
    documents = [Document(f"file{index}.py", f"text {index:02d}") for index in range(12)]
    corpus = split_documents(documents, 28)
    assert split_documents(documents[::-1], 28) == corpus
    renamed = [Document("other.py", documents[0].text), *documents[1:]]
    changed = [Document(documents[0].name, "text 99"), *documents[1:]]
    digests = {corpus.sha256, split_documents(renamed, 28).sha256, split_documents(changed, 28).sha256}
    digests.add(split_documents(documents, 35).sha256)
    assert len(digests) == 4


def test_validation_bytes_that_cannot_be_had_are_refused():
    documents = [Document(f"file{index}.py", "x" * 100) for index in range(5)]
    with pytest.raises(CorpusError, match="ask for another amount"):
        split_documents(documents, 200)
    with pytest.raises(CorpusError, match="must be positive"):
        split_documents(documents, 0)
    with pytest.raises(CorpusError, match="nothing is left to train on"):
        split_documents(documents, 500)


def test_the_running_interpreter_has_a_corpus():
    corpus = standard_library_corpus()
    assert len(corpus.train) > 200
    assert len(corpus.validation) >= 4
    assert 100_000 <= sum(len(document.text.encode()) for document in corpus.validation) < 125_000
    assert sum(len(document.text) for document in corpus.train) > 3_000_000
    assert not any("site-packages" in name or "/tests/" in name for name in names(corpus))
