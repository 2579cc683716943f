"""What a script holds. That making it needs no torch is shown where commands run without (`test_entry`)."""

from __future__ import annotations

from loopspec.compiler.emit.source import emit_source
from loopspec.runtime.standalone.sources import MAIN, MODEL

ALLOWED = {
    "compiler": {"", "constants", "modules", "source.wording", "spec.evaluate", "spec.quantization"},
    "runtime": {"", "artifact", "data", "entropy", "evaluate", "quantize", "standalone", "train"},
}


def test_it_holds_no_training_calibration_or_command(packed):
    sources = packed.sources
    names = [name.removesuffix(".__init__") for name in sources if name not in (MAIN, MODEL, "loopspec.__init__")]
    for name in names:
        _, half, *rest = name.split(".")
        inner = ".".join(rest)
        packages = ALLOWED[half]
        assert inner in packages or rest[0] in packages or any(each.startswith(f"{inner}.") for each in packages), name
    of_training = {name.rpartition(".")[2] for name in names if ".train." in name}
    assert of_training == {"determinism", "precision", "states"}
    assert not {name.rpartition(".")[2] for name in names} & {"builder", "gptq", "encoding", "grid", "score_weights"}
    assert "seed_everything" not in sources["loopspec.runtime.train.determinism"]


def test_every_codec_that_an_artifact_may_name_is_in_it(packed):
    for module in ("entropy.rans", "entropy.byte_codecs", "entropy.constriction_codec", "artifact.zstd"):
        assert f"loopspec.runtime.{module}" in packed.sources


def test_the_model_is_the_one_that_compile_writes(packed):
    assert packed.sources[MODEL] == emit_source(packed.plan)
