"""The registry of diagnostic codes. To add one: a line in `TITLES`, and `explanations/CODE.md`."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files

TITLES: dict[str, str] = {
    # LS0xx: the file, its syntax, `extends`, `--set`, the schema
    "LS001": "a file that cannot be read",
    "LS002": "a file that is too large",
    "LS003": "a byte or character that a spec may not hold",
    "LS004": "text that is not YAML",
    "LS005": "a spec that is no mapping",
    "LS006": "more than one document, or a directive",
    "LS007": "nesting or size beyond the bounds",
    "LS008": "a key written twice",
    "LS009": "a key that is not text",
    "LS010": "a tag",
    "LS011": "the merge key `<<`",
    "LS012": "an alias or anchor that does not work out",
    "LS013": "a number that cannot be used",
    "LS014": "a parent that cannot be found",
    "LS015": "a chain of `extends` that does not end",
    "LS016": "a null that deletes nothing",
    "LS017": "a `--set` that is not path=value",
    "LS018": "a `--set` of a key that is not there",
    "LS019": "a key set twice by `--set`",
    "LS020": "an unknown key",
    "LS021": "a value of the wrong type",
    "LS022": "a number out of range",
    "LS023": "a value that is not among the allowed ones",
    "LS024": "a required key that is missing",
    "LS025": "too few or too many items",
    "LS026": "text of the wrong form",
    "LS027": "an item listed twice",
    "LS030": "an expected problem that did not come",
}


@dataclass(frozen=True, slots=True)
class Code:
    """A diagnostic code: its title, and the long text of `explain` (what, why, a wrong example, the mend)."""

    code: str
    title: str
    explanation: str


def load_code(code: str) -> Code:
    """The entry of one code; its explanation is read from the package when asked for.

    Raises:
        KeyError: `code` is not registered.
    """
    title = TITLES[code]
    text = files(__package__).joinpath("explanations", f"{code}.md").read_text(encoding="utf-8")
    return Code(code, title, text)


def explain(code: str) -> str:
    """The text that `explain CODE` prints.

    Raises:
        KeyError: `code` is not registered.
    """
    found = load_code(code)
    return f"{found.code}: {found.title}\n\n{found.explanation}"
