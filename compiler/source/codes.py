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
    "LS028": "more problems than are shown",
    "LS030": "an expected problem that did not come",
    # LS1xx: blocks, stages and features that do not fit together
    "LS101": "a width that does not split into the heads",
    "LS102": "query heads that do not split over the key-value heads",
    "LS103": "rotary dims that the heads cannot have",
    "LS104": "an MLP without one clear width",
    "LS105": "a slope that nothing uses",
    "LS106": "norm indices that do not fit",
    "LS107": "an override of a block that is not there",
    "LS110": "two stages of one name",
    "LS111": "a stage of an unknown group",
    "LS112": "a path that cannot be expanded",
    "LS113": "a graph beyond the bounds",
    "LS114": "a path to a block that is not there",
    "LS115": "more orthogonal vectors than there are dimensions",
    "LS116": "a position or loop that the stage does not run",
    "LS117": "a position or loop listed twice",
    "LS118": "a feature on a block and on a position of it",
    "LS120": "a value embedding that the model does not have",
    "LS121": "a value embedding that meets two widths",
    "LS122": "a stage that cannot lie inside another",
    "LS123": "parallel firings that do not fit the stage",
    "LS124": "a delta of a matrix that is not there",
    "LS125": "lanes that do not fit the path",
    "LS126": "a sublayer that is dropped or run twice where it cannot be",
    "LS127": "a value residual without values",
    "LS128": "auxiliary losses that do not fit the loops",
    "LS129": "private gains of two lengths",
    "LS130": "multi-token heads beyond the sequence",
    "LS131": "a state of a stage that runs more than once",
    "LS132": "a document boundary that is no token",
    # LS2xx: modes and the cadence
    "LS201": "an unknown mode",
    "LS202": "mode single without loops",
    "LS203": "a change of mode full",
    "LS204": "a mode of an unknown stage",
    "LS205": "a mode with loops that the stage cannot have",
    "LS206": "a mode that is the same as another",
    "LS207": "phases of the cadence that do not join",
    "LS208": "a phase after the end of training",
    "LS209": "a mode that never runs",
    "LS210": "a mode of a pattern that no step runs",
    "LS211": "an activity in a mode that is not trained",
    "LS212": "a phase without one clear order",
    "LS213": "a sample of an unknown stage",
    "LS214": "sampled loops that a stage cannot have",
    "LS215": "a declared mode with a sampled name",
    "LS216": "a mode that leaves out every stage",
    "LS217": "a path or extra runs that a stage cannot have",
    "LS218": "training that stops by the data",
    "LS219": "a change of a mode without effect",
    "LS220": "a score that depends on later tokens",
    # LS3xx: quantization
    "LS301": "a quantization rule without effect",
    "LS302": "a store without a quantization rule",
    "LS303": "a std clip on rows of too few elements",
    "LS304": "a std clip on rows that start as a constant",
    "LS305": "a calibrated scheme on what is no matrix",
    "LS306": "quantization-aware training to a grid that is chosen after it",
    "LS307": "a calibration that no scheme uses",
    "LS308": "groups of columns no shorter than a row",
    "LS309": "row bits that do not lie around the scheme's bits",
    "LS310": "an error term of more than full rank",
    "LS311": "a setting by row under one step of the store",
    "LS312": "a setting of a scheme without effect",
    "LS313": "a percentile among pruned weights",
    # LS4xx: the budget
    "LS401": "a model that does not fit the budget",
    "LS402": "a model that may not fit the budget",
    "LS403": "a margin that no scheme uses",
    "LS404": "a margin that cannot be kept",
    # LS5xx: stores that nothing uses or trains, numbers of the recipe
    "LS501": "a value embedding that nothing uses",
    "LS502": "a loop vector with one loop",
    "LS503": "skips that connect nothing",
    "LS504": "a store that never runs",
    "LS505": "a store that training never reaches",
    "LS507": "a private part without effect",
    "LS508": "a private copy of what runs once",
    "LS509": "a setting of a block without effect",
    "LS506": "a store that no gradient reaches",
    "LS510": "a batch that does not divide",
    "LS511": "a schedule longer than the run",
    "LS512": "a floor without a warm-down",
    "LS513": "a stride beyond the window",
    "LS514": "a setting of a head that does not exist",
    "LS515": "an NTK rule that never acts",
    "LS516": "a tokenizer that cannot be trained",
    "LS517": "a skip trace across batches",
    "LS518": "firings that change nothing",
    "LS519": "two factors larger than their matrix",
    "LS520": "a store that no optimizer trains",
    "LS521": "an assignment without effect",
    "LS522": "Muon on a store that is no matrix",
    "LS523": "a zero that is never trained",
    "LS524": "an average that nothing loads",
    "LS525": "an unknown average",
    "LS526": "an average of no weights",
    "LS527": "an average that keeps its start",
    "LS528": "quantization-aware training that never starts",
    "LS529": "quantization-aware training of nothing",
    "LS530": "a mode that trains nothing",
    "LS531": "an assignment to a group that is not there",
    "LS532": "a group that trains nothing",
    "LS533": "coefficients that do not fit the steps",
    "LS534": "a penalty without effect",
    "LS540": "a feature of a stage without effect",
    "LS541": "a running average that nothing reads",
    "LS542": "a setting of documents without effect",
    "LS560": "validation text given twice",
    "LS561": "a vocabulary too small for bytes",
    "LS550": "a schedule without its clock",
    "LS551": "a warm-down in another unit",
    "LS552": "a limit that never holds",
    "LS553": "a reserve without time",
    "LS554": "batches without effect",
    "LS555": "a replay of more than there is",
    "LS556": "a distillation without a teacher",
    "LS557": "a rule of decay without effect",
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
