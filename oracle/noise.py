"""Reference noise: what torch's CPU generator gives for consecutive torch.randn calls of given sizes, float32.

Writes diffusion/testdata/noise.json, a case a line: the seed, the sizes of the calls, the SHA-256 of all values as little-endian float32,
and the bits of the last call's last values. The values differ in their last bits on a CPU without AVX2.

    python3 oracle/noise.py
    python3 oracle/noise.py --sweep 2000 --seed 1 --out FILE.json    # random cases; test with -args -noise FILE.json
"""

import argparse
import hashlib
import json
import pathlib
import random

import torch

OUT = pathlib.Path(__file__).resolve().parent.parent / "diffusion" / "testdata" / "noise.json"
SEEDS = [0, 1, 17, 42, 12345, 2**31, 2**32 - 1, 2**32, 2**32 + 5, 2**53 + 1, 2**63 - 1, 2**64 - 1]


def draw(seed, sizes):
    generator = torch.Generator().manual_seed(seed)
    digest = hashlib.sha256()
    for size in sizes:
        values = torch.randn(size, generator=generator).numpy().astype("<f4")
        digest.update(values.tobytes())
    return {"seed": seed, "sizes": sizes, "sha256": digest.hexdigest(), "last": values[-4:].view("<u4").tolist()}


def listed():
    sizes = [[n] for n in (*range(1, 41), 63, 64, 65, 623, 624, 625, 1000, 4 * 64 * 64, 4 * 96 * 72, 4 * 128 * 128)]
    mixed = [
        [1, 1, 1], [3, 16, 1], [15, 15, 15], [16, 16, 16], [7, 33, 8, 1000, 5], [1, 640, 1, 640], [12, 12, 12, 12], [20, 1, 19, 2, 18],
        [4 * 64 * 64] * 3, [623, 1, 17],
    ]
    for i, calls in enumerate(sizes):
        yield SEEDS[i % len(SEEDS)], calls
        yield 1000 + i, calls
    for i, calls in enumerate(mixed):
        yield SEEDS[i % len(SEEDS)], calls
    for seed in SEEDS:
        yield seed, [5, 100, 3]
    # Enough values that roundings as rare as one in 2^25 occur.
    yield 7, [1 << 25]


def main():
    args = argparse.ArgumentParser()
    args.add_argument("--sweep", type=int, default=0)
    args.add_argument("--seed", type=int, default=0)
    args.add_argument("--out", type=pathlib.Path, default=OUT)
    args = args.parse_args()
    rng = random.Random(args.seed)
    cases = listed()
    if args.sweep:
        sizes = (lambda: rng.choice([rng.randint(1, 40), rng.randint(1, 1000), rng.randint(1, 70000)]))
        cases = [(rng.getrandbits(64), [sizes() for _ in range(rng.randint(1, 8))]) for _ in range(args.sweep)]
    rows = ",\n".join("    " + json.dumps(draw(seed, calls)) for seed, calls in cases)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    versions = {"torch": torch.__version__.partition("+")[0]}
    args.out.write_text(f'{{\n  "versions": {json.dumps(versions)},\n  "cases": [\n{rows}\n  ]\n}}\n')


if __name__ == "__main__":
    main()
