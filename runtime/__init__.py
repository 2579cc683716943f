"""loopspec's runtime: trains, quantizes, packs and scores what the compiler emits."""
