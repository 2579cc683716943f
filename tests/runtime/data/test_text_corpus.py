"""Corpora of the user's files: what is held out, and that nothing is in both splits."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.examples import examples

from loopspec.runtime.data.errors import CorpusError
from loopspec.runtime.data.text_corpus import DEFAULT_INCLUDE, Validation, text_corpus


def write(folder, **texts):
    for name, text in texts.items():
        path = folder / f"{name.replace('__', '/')}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
    return folder


def names(documents):
    return {document.name for document in documents}


def test_a_folder_is_split_by_whole_files(tmp_path):
    write(tmp_path, **{f"part__{index}": f"text {index:02} " * 20 for index in range(20)})
    corpus = text_corpus(tmp_path, DEFAULT_INCLUDE, Validation(0.2))
    assert len(corpus.validation) == 4 and len(corpus.train) == 16
    assert names(corpus.train) | names(corpus.validation) == {f"part/{index}.txt" for index in range(20)}
    assert corpus.events == () and corpus.name == f"text {tmp_path}"
    assert text_corpus(tmp_path, DEFAULT_INCLUDE, Validation(0.2)).sha256 == corpus.sha256
    assert names(text_corpus(tmp_path, DEFAULT_INCLUDE, Validation(size=1)).validation) <= names(corpus.validation)


def test_what_is_left_out_of_a_folder_is_counted(tmp_path):
    write(
        tmp_path,
        a="one text\n" * 3,
        b="another\n" * 3,
        c="third\n" * 4,
        empty="",
        space="\u2581",
        copy="one text\n" * 3,
    )
    (tmp_path / "latin.txt").write_bytes(b"\xe9t\xe9")
    (tmp_path / "notes.rst").write_text("not asked for")
    (tmp_path / ".hidden.txt").write_text("hidden")
    write(tmp_path / ".git", x="hidden too")
    (tmp_path / "held.md").write_text("one text\n" * 3)
    corpus = text_corpus(tmp_path, ("*.txt",), Validation(path=tmp_path / "held.md"))
    assert names(corpus.train) == {"b.txt", "c.txt"} and names(corpus.validation) == {"held.md"}
    assert corpus.skipped_counts == {
        "empty": 1,
        "contains U+2581": 1,
        "not UTF-8": 1,
        "same text as a validation file": 2,
    }
    assert names(text_corpus(tmp_path, ("*.rst", "c.*"), Validation(0.4)).train) == {"c.txt"}


def test_a_file_is_split_at_the_end_of_a_paragraph(tmp_path):
    parts = [f"Paragraph {index}\nof two lines.\n\n" for index in range(20)]
    write(tmp_path, book="".join(parts))
    corpus = text_corpus(tmp_path / "book.txt", DEFAULT_INCLUDE, Validation(0.1))
    assert [document.text for document in corpus.train] == ["".join(parts[:18])]
    assert [document.text for document in corpus.validation] == ["".join(parts[18:])]
    alone = text_corpus(tmp_path, DEFAULT_INCLUDE, Validation(0.1))
    assert alone.sha256 == corpus.sha256, "a folder of one file is split like the file"


def test_paragraphs_of_the_validation_text_are_not_trained_on(tmp_path):
    write(tmp_path, poem="chorus\n\nfirst\n\nchorus\n\nsecond\r\n \r\nchorus\n\nlast verse")
    corpus = text_corpus(tmp_path / "poem.txt", DEFAULT_INCLUDE, Validation(size=18))
    assert corpus.validation[0].text == "chorus\n\nlast verse"
    assert corpus.train[0].text == "first\n\nsecond\r\n \r\n"
    (event,) = corpus.events
    assert event.message == "poem.txt: 2 paragraphs that are in the validation text too are not trained on"


@examples(60)
@given(st.lists(st.text("ab é\n", max_size=8), min_size=2, max_size=12), st.floats(0.05, 0.8))
def test_no_text_is_lost_and_none_is_in_both(tmp_path_factory, parts, share):
    folder = tmp_path_factory.mktemp("text")
    text = "\n\n".join(parts)
    write(folder, book=text)
    try:
        corpus = text_corpus(folder / "book.txt", DEFAULT_INCLUDE, Validation(share))
    except CorpusError:
        return
    (train,), (held_out,) = corpus.train, corpus.validation
    assert text.endswith(held_out.text) and train.text and held_out.text
    cut = re.compile(r"\n(?:[ \t\r]*\n)+" if re.search(r"\n[ ]*\n.", text.strip("\n"), re.DOTALL) else r"\n")
    if cut.pattern == r"\n":
        return
    pieces = {piece.strip() for piece in cut.split(held_out.text)} - {""}
    assert not pieces & {piece.strip() for piece in cut.split(train.text)}
    head = text.removesuffix(held_out.text)
    rest = [piece for piece in cut.split(head) if piece.strip() not in pieces]
    assert "".join("".join(rest).split()) == "".join(train.text.split())


def test_large_files_stay_for_training_unless_all_are_large(tmp_path):
    write(tmp_path, huge="x" * 1000, small="y" * 30, other="z" * 40)
    assert names(text_corpus(tmp_path, DEFAULT_INCLUDE, Validation(size=50)).train) == {"huge.txt"}
    corpus = text_corpus(tmp_path, DEFAULT_INCLUDE, Validation(size=10))
    assert names(corpus.validation) == {"small.txt"}
    assert [event.message for event in corpus.events] == [
        "30 bytes to validate on, 10 were asked for: whole files only"
    ]


@pytest.mark.parametrize(
    ("path", "validation", "message"),
    [
        ("none.txt", Validation(), r"none\.txt: unreadable: No such file or directory; give a UTF-8 text file"),
        ("empty", Validation(), r"empty: no file matches \*\.txt, \*\.md; give UTF-8 text, or other globs"),
        ("odd", Validation(), r"odd: the 1 that match cannot be used"),
        ("line.txt", Validation(), r"line\.txt: has no line end at which"),
        ("line.txt", Validation(size=99), r"line\.txt hold 8 bytes, and 99 are asked to validate on"),
        ("line.txt", Validation(path="line.txt"), r"line\.txt: nothing is left to train on"),
    ],
)
def test_text_that_cannot_be_used_is_named(tmp_path, monkeypatch, path, validation, message):
    write(tmp_path, line="one line", odd__empty="")
    (tmp_path / "empty").mkdir()
    if validation.path is not None:
        validation = Validation(path=tmp_path / validation.path)
    with pytest.raises(CorpusError, match=message):
        text_corpus(tmp_path / path, DEFAULT_INCLUDE, validation)
