"""The language reference: up to date, complete, and every spec in it checks."""

import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from loopspec.compiler.check import check_spec
from loopspec.compiler.operations import FIRING_RULES
from loopspec.compiler.schema import load_schema, reference
from loopspec.compiler.schema.lookup import all_keys, lookup_key
from loopspec.compiler.schema.reference import main, reference_text
from loopspec.compiler.source.codes import TITLES
from loopspec.compiler.source.shipped import shipped_specs

REFERENCE = Path(__file__).parents[3] / "specs" / "README.md"
TABLE_ROW = re.compile(r"^\| `([^`]+)` ", re.MULTILINE)
STORE_NUMBERS = re.compile(r"(?<=\.)\d+(?=\.|$)")


@pytest.fixture(scope="module")
def text() -> str:
    return reference_text()


def yaml_blocks(text: str) -> list[str]:
    return re.findall(r"^```yaml\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def part(text: str, heading: str) -> str:
    """What stands below a heading, up to the next."""
    return re.split(r"^#{2,3} ", text.split(f"\n{heading}\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]


def below(keys: set[str], path: str) -> set[str]:
    return {key.removeprefix(path) for key in keys if key.startswith((f"{path}.", f"{path}["))}


def keys_of_section(text: str, section: str) -> set[str]:
    """Full names of the keys of a section's table, with what its rows refer to."""
    body = part(text, f"### `{section}`")
    keys = {f"{section}{'' if name.startswith('[') else '.'}{name}" for name in TABLE_ROW.findall(body)}
    for name, home in re.findall(r"^\| `([^`]+)` .*?\| keys of `(\w+)`", body, re.MULTILINE):
        keys |= {f"{section}.{name}{rest}" for rest in below(keys, f"{section}.{home}")}
    return keys


def shared_keys(text: str, name: str) -> set[str]:
    places, table = part(text, f"### Shared: {name}").strip().split("\n\n")
    return {f"{place}.{key}" for place in re.findall(r"`([^`]+)`", places) for key in TABLE_ROW.findall(table)}


def test_the_file_is_up_to_date(text: str) -> None:
    assert REFERENCE.read_text(encoding="utf-8") == text, "run `make reference`"


def test_every_key_of_the_schema_and_no_other_is_listed(text: str) -> None:
    listed = set(TABLE_ROW.findall(part(text, "### Top level"))) | {"blocks.*"}
    for section in re.findall(r"^### `(.+)`$", text, re.MULTILINE):
        listed |= keys_of_section(text, section)
    for name in re.findall(r"^### Shared: (.+)$", text, re.MULTILINE):
        listed |= shared_keys(text, name)
    assert listed == {key.path for key in all_keys(load_schema())}


def test_tables_say_what_the_schema_says(text: str) -> None:
    row = next(line for line in part(text, "### `blocks.*`").splitlines() if line.startswith("| `attention.heads`"))
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    meaning = lookup_key(load_schema(), "blocks.*.attention.heads").description
    assert cells == ["`attention.heads`", "", "whole number", "**required**", "heads", "from 1 to 1024", meaning]
    assert re.search(r"^\| `residual.arrangement.tau` +\| `bounded` +\|", text, re.MULTILINE)
    assert re.search(r"^\| `delta.matrices` .*`attention.query`, .*`mlp.down`", text, re.MULTILINE)
    assert re.search(r"^\| `embedding.init` .*`\{kind: normal, std: 0.005\}`", text, re.MULTILINE)


def test_whole_specs_of_the_reference_check(text: str, tmp_path: Path) -> None:
    specs = [block for block in yaml_blocks(text) if "spec_version" in block]
    assert specs
    for spec in specs:
        path = tmp_path / "spec.yaml"
        path.write_text(spec, encoding="utf-8")
        checked = check_spec(path)
        assert not checked.diagnostics
        assert checked.plan is not None


def test_parts_of_specs_check_on_top_of_the_example(text: str, tmp_path: Path) -> None:
    example, *fragments = yaml_blocks(text)
    (tmp_path / "example.yaml").write_text(example, encoding="utf-8")
    assert len(fragments) >= 4
    for fragment in fragments:
        path = tmp_path / "spec.yaml"
        path.write_text(f"extends: example.yaml\n{fragment}", encoding="utf-8")
        checked = check_spec(path)
        assert checked.plan is not None, fragment
        assert not checked.diagnostics, fragment


# what no shipped spec has, on top of the page's example: each name of the table is in these or in a shipped spec
RARE = [
    "model.multi_token={heads: 1}",
    "model.embedding.tied=false",
    "model.value_embedding={dim: 8}",
    "blocks.core.attention.query_rank=8",
    "blocks.core.attention.differential=true",
    "blocks.core.mlp.activation=swiglu",
    "blocks.core.residual.token_gate=true",
    "blocks.core.value_embedding=true",
    "blocks.core.overrides=[{blocks: [1], residual: "
    "{x0_mix: false, branch_scale: false, token_gate: false, arrangement: {kind: bounded}}}]",
    "graph.0.skips={kind: unet, gated: true}",
    "graph.0.position_vector={}",
    "graph.0.between={kind: bottleneck, dim: 8}",
    "graph.0.auxiliary_loss={kind: learned}",
    "graph.0.value_residual={at: [1..3]}",
    "graph.0.delta={rank: 2, matrices: [attention.key, mlp.gate], at: [3]}",
]
PRIVATE = [
    "graph.0.private={attention: {loops: [1]}, gain: {loops: [2]}, mlp: [2], attention_scale: [0], mlp_scale: [0],"
    " recurrence_gate: [1], residual_mix: [2], token_gate: [3], value_scale: {loops: [1]}}"
]
LANES = ["graph.0.lanes={start: 2}", "model.value_embedding={dim: 8}", "graph.0.place={value_embedding: [1]}"]
FIRING = [
    [
        f"graph.0.loops={rule.exactly or 3}",
        f"graph.0.firing={{kind: parallel, combine: {{kind: {kind}}}}}",
    ]
    for kind, rule in FIRING_RULES.items()
    if kind != "last"  # which stores nothing, and leaves the example's loop vectors idle
]
PARTS = sorted(
    key.path.split(".")[-1] for key in all_keys(load_schema()) if re.fullmatch(r"graph\[\].private.\w+", key.path)
)
STAGE_PART = re.compile(rf"stages\.trunk\.({'|'.join(PARTS)})\.N(\..*)?")


def general(name: str) -> str:
    """The name with the group, stage, numbers and likes of the table."""
    name = re.sub(r"^blocks\.\w+", "blocks.core", re.sub(r"^stages\.\w+", "stages.trunk", name))
    name = STORE_NUMBERS.sub("N", re.sub(r"ngram_hash_\d", "ngram_hash_2", name)).replace(
        ".mlp_lane.", ".attention_lane."
    )
    return re.sub(r"\.\w+_delta\.N\.\w+_delta_", ".attention_delta.N.query_delta_", name)


def of_the_block(name: str) -> str:
    """The name under which a block has what a private part is a copy of."""
    found = STAGE_PART.fullmatch(name)
    assert found is not None, name
    return f"blocks.core.N.{'attention.gain' if found[1] == 'gain' else found[1]}{found[2] or ''}"


def stores_of(path: Path, sets: Sequence[str] = ()) -> set[str]:
    plan = check_spec(path, sets).plan
    assert plan is not None, [item.message for item in check_spec(path, sets).diagnostics]
    return {general(store.name) for store in plan.stores}


def test_store_names_are_those_of_the_table(text: str, tmp_path: Path) -> None:
    documented = {general(name) for name in TABLE_ROW.findall(part(text, "## Names"))}
    example = tmp_path / "example.yaml"
    example.write_text(yaml_blocks(text)[0], encoding="utf-8")
    shipped = [path for name, path in shipped_specs().items() if not name.startswith("bases/")]
    stored = set().union(*map(stores_of, shipped), *(stores_of(example, sets) for sets in (RARE, LANES, *FIRING)))
    private = {name for name in stored - documented if STAGE_PART.fullmatch(name)}
    assert stored - private == documented - {"stages.trunk.mlp.N.up"}
    private |= stores_of(example, [*RARE, *PRIVATE]) - stored
    assert {of_the_block(name) for name in private} <= documented
    assert {name.split(".")[2] for name in private} == set(PARTS) - {"value_scale"}  # placed ones have its name


def test_paths_are_expanded(text: str) -> None:
    rows = dict(re.findall(r"^\| `([^`]+)` +\| \d+ +\| ([\d ]+) \|$", part(text, "## Paths"), re.MULTILINE))
    assert rows["[0..8, 9 x 5, 10]"] == "0 1 2 3 4 5 6 7 8 9 9 9 9 9 10"
    assert rows["{cycle: 9}"] == "0 1 2 0 1 2 0 1 2"
    assert rows["{sequence: 9}"] == "0 0 0 1 1 1 2 2 2"
    assert rows["{repeat: [1, 3, 1]}"] == "0 1 1 1 2"
    assert rows["{sandwich: 2}"] == "0 1 2 1 2 3"


def test_codes_specs_and_links_are_there(text: str) -> None:
    assert set(re.findall(r"^- `(LS\d{3})` ", text, re.MULTILINE)) == TITLES.keys()
    assert set(re.findall(r"^\| \[([\w./-]+\.yaml)\]", text, re.MULTILINE)) == shipped_specs().keys()
    assert all((REFERENCE.parent / name).is_file() for name in shipped_specs())
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    assert set(re.findall(r"\]\(#([\w-]+)\)", text)) <= anchors


def test_what_is_said_to_be_missing_is_missing(text: str) -> None:
    missing = part(text, "## Not in the language")
    assert all(words in missing for words in ("Per-token routing", "mixture of experts", "encoder-decoder"))
    schema = load_schema()
    words = {word for key in all_keys(schema) for word in re.split(r"\W+|_", f"{key.path} {' '.join(key.allowed)}")}
    assert not words & {"route", "router", "routing", "expert", "experts", "moe", "encoder", "decoder", "cross", "halt"}
    assert set(lookup_key(schema, "graph[].firing.kind").allowed) == {"sequential", "parallel"}
    assert not {"graph[].stages", "graph[].input", "graph[].causal"} & {key.path for key in all_keys(schema)}


def test_check_tells_a_stale_file_and_writes_nothing(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reference, "reference_text", lambda: text)  # seconds to make, and made already
    path = tmp_path / "README.md"
    assert main(["--check", str(path)]) == 1
    assert not path.exists()
    assert main([str(path)]) == 0
    assert [item.name for item in tmp_path.iterdir()] == ["README.md"]
    assert path.read_text(encoding="utf-8") == text
    capsys.readouterr()
    assert main(["--check", str(path)]) == 0
    path.write_text("old", encoding="utf-8")
    assert main(["--check", str(path)]) == 1
    assert capsys.readouterr().err == f"{path} is out of date; run `make reference`\n"
    assert path.read_text(encoding="utf-8") == "old"


def test_a_folder_that_is_not_there_is_one_clear_line(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reference, "reference_text", lambda: text)
    path = tmp_path / "nowhere" / "README.md"
    assert main([str(path)]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"cannot make {path}: ")
    assert error.count("\n") == 1
