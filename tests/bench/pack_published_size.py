"""Packs a model of published size, 28 million weights, into its 16,000,000 bytes, and opens it. Needs Linux.

    python tests/bench/pack_published_size.py [--json FILE] [--profile FILE]

The weights are drawn as training leaves them and the calibration's statistics are drawn too, so that no run is needed:
what is timed is the search for lambda with GPTQ, the coding and the writing; then reading the file and decoding every
store. Each is done in a process of its own, the first one twice: the files must be the same. The reader imports numpy
and zstandard alone, and its peak holds Python, the file and one store's values. CPU seconds and wall seconds with the
load of the machine beside them, since others may use it too.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

TESTS = Path(__file__).resolve().parents[1]
SPEC = TESTS.parent / "specs" / "frugendorff-6x2.yaml"
SETS = (
    "quantization.rules=[{match: {matrix: true}, scheme: {kind: rate_distortion}}, {scheme: {kind: float16}}]",
    "quantization.codec={kind: rans}",
)
LIMITS = {"over": 0.5, "encode": 60.0, "decode": 2.0, "peak": 400e6, "below": 24_000}
"""Percent over the conditional entropy, seconds, seconds, bytes, bytes."""
CORES = 2


def encode(path: Path, profile: Path | None) -> dict[str, Any]:
    """Allocates, codes and writes; the process that is measured."""
    from support.learned_weights import learned_statistics, learned_weights

    from loopspec.compiler import load_plan
    from loopspec.runtime.artifact import ArtifactContents, write_artifact
    from loopspec.runtime.pipeline.allocation import allocate
    from loopspec.runtime.pipeline.packing import artifact_limit
    from loopspec.runtime.quantize import encode as encode_store

    plan = load_plan(SPEC, list(SETS))
    weights, statistics = learned_weights(plan, 0), learned_statistics(plan, 0)
    tracer = _started(profile)
    began = (time.process_time(), time.perf_counter())
    others = {
        store.name: encode_store(store.name, weights[store.name], store.scheme)
        for store in plan.exported_stores
        if store.scheme.kind != "rate_distortion"
    }
    contents = ArtifactContents(plan.spec.plain, others, None, "", {})
    found = allocate(plan, weights, statistics, contents, artifact_limit(plan), _say)
    summary = write_artifact(path, found.contents, plan.spec.quantization.codec)
    spent = _spent(began)
    if tracer is not None:
        tracer.disable()
        tracer.dump_stats(profile)
    matrices = [codes.codes for codes in found.codes.values()]
    return spent | {
        "bytes": summary.bytes,
        "limit": found.limit,
        "trials": found.landing.trials,
        "weights": sum(matrix.size for matrix in matrices),
        "coded": summary.stream_bytes["codes"],
        "conditional": _conditional(path, matrices),
    }


def _started(profile: Path | None) -> Any:
    if profile is None:
        return None
    import cProfile

    tracer = cProfile.Profile()
    tracer.enable()
    return tracer


def _say(text: str) -> None:
    print(text, file=sys.stderr)


def _conditional(path: Path, matrices: list[Any]) -> float:
    """Bytes of the entropy of the codes given their classes, as the artifact has them."""
    from packing import conditional

    from loopspec.runtime.artifact.container import open_container

    return conditional(matrices, open_container(path.read_bytes(), str(path)).payloads["codes"])


def decode(path: Path) -> dict[str, Any]:
    """Reads the artifact and decodes every store, with numpy and zstandard alone."""
    from loopspec.runtime.artifact import read_artifact
    from loopspec.runtime.quantize import decode as decode_store

    began = (time.process_time(), time.perf_counter())
    contents = read_artifact(path)
    digest = hashlib.sha256()
    spent = _spent(began)
    values = 0
    for store in contents.stores.values():
        began = (time.process_time(), time.perf_counter())
        array = decode_store(store)
        spent = {key: spent[key] + seconds for key, seconds in _spent(began).items()}
        digest.update(array.tobytes())
        values += array.size
    packages = {name.partition(".")[0] for name in sys.modules}
    foreign = packages & {"torch", "yaml", "jsonschema", "networkx", "sentencepiece", "brotli", "constriction"}
    assert not foreign, f"reading an artifact imported {foreign}"
    return spent | {"peak": _peak(), "values": values, "sha256": digest.hexdigest()}


def _spent(began: tuple[float, float]) -> dict[str, float]:
    return {"cpu": time.process_time() - began[0], "wall": time.perf_counter() - began[1]}


def _peak() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))


def measure(action: str, path: Path, profile: Path | None = None) -> dict[str, Any]:
    """One process, and the load of the machine while it ran."""
    command = [sys.executable, __file__, "--child", action, "--path", str(path)]
    command += [] if profile is None else ["--profile", str(profile)]
    known = os.environ.get("PYTHONPATH", "")
    environment = os.environ | {"PYTHONPATH": f"{TESTS}:{TESTS / '_dev'}:{known}", "OMP_NUM_THREADS": str(CORES)}
    process = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=False)
    assert process.returncode == 0, f"{action} failed"
    figures = dict(json.loads(process.stdout.splitlines()[-1]))
    print(f"{action}: {figures['wall']:.2f} s ({figures['cpu']:.2f} s CPU, load {os.getloadavg()[0]:.1f})", flush=True)
    return figures | {"load": os.getloadavg()[0]}


def report(first: dict[str, Any], read: dict[str, Any]) -> list[str]:
    """Prints what came out; what does not hold. Seconds are the less of wall and of CPU shared by the cores in use."""
    over = 100 * (first["coded"] / first["conditional"] - 1)
    figures = {
        "over": over,
        "encode": min(first["wall"], first["cpu"]),
        "decode": min(read["wall"], read["cpu"]),
        "peak": read["peak"],
        "below": first["limit"] - first["bytes"],
    }
    print(
        f"{first['weights']:,} weights in {first['bytes']:,} bytes, {figures['below']:,} below {first['limit']:,}, "
        f"after {first['trials']} trials\n"
        f"codes: {first['coded']:,} bytes, {over:+.3f} % of their entropy given classes, {first['conditional']:,.0f}\n"
        f"decode: peak {read['peak'] / 1e6:.0f} MB, {read['values']:,} values"
    )
    return [
        f"{name} is {figures[name]:.6g}, limit {limit:g}" for name, limit in LIMITS.items() if figures[name] > limit
    ]


def main() -> None:
    """Prints figures; leaves with 1 where a limit does not hold or a second run gives another file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--profile", type=Path, help="cProfile of the first encoding")
    parser.add_argument("--child", choices=("encode", "decode"), help=argparse.SUPPRESS)
    parser.add_argument("--path", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        done = encode(arguments.path, arguments.profile) if arguments.child == "encode" else decode(arguments.path)
        print(json.dumps(done))
        return
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / name for name in ("first", "second")]
        first = measure("encode", paths[0], arguments.profile)
        read = measure("decode", paths[0])
        faults = report(first, read)
        measure("encode", paths[1])
        digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in paths]
    faults += [] if digests[0] == digests[1] else ["a second run gives another file"]
    print(f"sha256 {digests[0]}, {'the same' if digests[0] == digests[1] else 'another'} on a second run")
    if arguments.json:
        arguments.json.write_text(json.dumps({"encode": first, "decode": read}, indent=1) + "\n")
    sys.exit("\n".join(faults) or 0)


if __name__ == "__main__":
    main()
