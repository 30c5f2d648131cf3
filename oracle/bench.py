"""Time diffusers and ours in turn, on the same cores, float32.

Each round starts a fresh torch process and then our command, so that neither finds the other's memory or threads. Our command must
print one JSON object with "stages": [{"name", "rows", "width", "height", "seconds"}, ...]; stages are matched by name, rows and size.

    python3 oracle/bench.py --model DIR --ours "bin/cosmicman bench --json --model DIR" [--rounds 2] [--size 512x512] [--rows 2]

Torch's best counts: every stage is tried in both memory layouts, with fused attention, in inference mode; a stage's time is the median
of its repeats after a warm-up, and the best of the rounds.
"""

import argparse
import json
import os
import pathlib
import platform
import shlex
import statistics
import subprocess
import sys
import tempfile
import time

STAGES = ("text_encoder", "text_encoder_2", "unet_step", "vae_decode")


def cpu():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor()


def time_torch(args):
    """Measure the stages in this process; prints the JSON that our own command prints."""
    import diffusers
    import torch
    import transformers

    diffusers.logging.set_verbosity_error()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    torch.set_num_threads(args.threads)
    root = pathlib.Path(args.model)
    about = json.loads((root / "model_index.json").read_text())
    width, height = (int(v) for v in args.size.split("x"))
    text = {}

    def load(part):
        kind = getattr({"diffusers": diffusers, "transformers": transformers}[about[part][0]], about[part][1])
        return kind.from_pretrained(root / part, torch_dtype=torch.float32, local_files_only=True).eval()

    def measure(run, repeats):
        run()
        spent = []
        for _ in range(repeats):
            start = time.perf_counter()
            run()
            spent.append(time.perf_counter() - start)
        return statistics.median(spent)

    stages = []
    for stage in args.stages.split(","):
        part = {"unet_step": "unet", "vae_decode": "vae"}.get(stage, stage)
        if part not in about:
            continue
        start = time.perf_counter()
        module = load(part)
        loaded = time.perf_counter() - start
        rows = {"unet_step": args.rows, "vae_decode": 1}.get(stage, 1)
        scale = 2 ** (len(json.loads((root / "vae" / "config.json").read_text())["block_out_channels"]) - 1)
        if part.startswith("text_encoder"):
            ids = torch.full((1, 77), 49407)
            run = lambda: module(ids, output_hidden_states=True)
        elif part == "unet":
            config = module.config
            x = torch.randn(rows, config.in_channels, height // scale, width // scale)
            states, added = torch.randn(rows, 77, config.cross_attention_dim), None
            if config.addition_embed_type:
                pooled = config.projection_class_embeddings_input_dim - 6 * config.addition_time_embed_dim
                added = {"text_embeds": torch.randn(rows, pooled), "time_ids": torch.full((rows, 6), 512.0)}
            run = lambda: module(x, 500, states, added_cond_kwargs=added).sample
        else:
            z = torch.randn(rows, module.config.latent_channels, height // scale, width // scale)
            run = lambda: module.decode(z).sample
        tried = {}
        with torch.inference_mode():
            for layout in ("contiguous", "channels_last"):
                if layout == "channels_last":
                    if part.startswith("text_encoder"):
                        break
                    module = module.to(memory_format=torch.channels_last)
                    x = x.contiguous(memory_format=torch.channels_last) if part == "unet" else None
                    z = z.contiguous(memory_format=torch.channels_last) if part == "vae" else None
                tried[layout] = measure(run, args.repeats)
        best = min(tried, key=tried.get)
        entry = {"name": stage, "rows": rows, "seconds": tried[best], "layout": best, "tried": tried, "load_seconds": loaded}
        stages.append(entry if part.startswith("text_encoder") else entry | {"width": width, "height": height})
        del module
    print(json.dumps({"stages": stages, "torch": torch.__version__, "diffusers": diffusers.__version__}))


def child(command):
    """Run a command; its JSON, its greatest resident memory in bytes, its seconds."""
    start = time.perf_counter()
    with tempfile.TemporaryFile() as out:
        process = subprocess.Popen(command, stdout=out)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            sys.exit(f"{shlex.join(command)} ended with {process.returncode}")
        out.seek(0)
        return json.loads(out.read()), used.ru_maxrss * 1024, time.perf_counter() - start


def key(stage):
    return tuple(stage.get(k) for k in ("name", "rows", "width", "height"))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="diffusers folder")
    parser.add_argument("--ours", help="our command; without it torch alone is timed")
    parser.add_argument("--size", default="512x512", help="width x height in pixels")
    parser.add_argument("--rows", type=int, default=2)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--stages", default=",".join(STAGES))
    parser.add_argument("--torch", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    args = parser.parse_args()
    if args.torch:
        time_torch(args)
        return
    theirs, ours, memory = {}, {}, {"torch": 0, "ours": 0}
    flags = ["--model", args.model, "--size", args.size, "--stages", args.stages]
    flags += [f for k in ("rows", "threads", "repeats") for f in (f"--{k}", str(getattr(args, k)))]
    for _ in range(args.rounds):
        turns = [("torch", [sys.executable, __file__, "--torch", *flags], theirs)]
        if args.ours:
            turns.append(("ours", shlex.split(args.ours), ours))
        for who, command, into in turns:
            got, peak, _ = child(command)
            memory[who] = max(memory[who], peak)
            for stage in got["stages"]:
                into.setdefault(key(stage), []).append(stage)
    best = lambda stages: min(stages, key=lambda s: s["seconds"])
    rows = []
    for k, stages in theirs.items():
        row = {"name": k[0], "rows": k[1], "width": k[2], "height": k[3], "torch": best(stages)["seconds"]}
        row["layout"] = best(stages)["layout"]
        # Ours may give a size with stages that have none.
        same = ours.get(k) or next((v for o, v in ours.items() if o[:2] == k[:2] and k[2] is None), None)
        if same:
            row |= {"ours": best(same)["seconds"], "ratio": best(same)["seconds"] / row["torch"]}
        rows.append(row)
    report = {"cpu": cpu(), "threads": args.threads, "rounds": args.rounds, "stages": rows, "peak_resident_bytes": memory}
    if args.json:
        print(json.dumps(report))
        return
    print(f"{report['cpu']}, {args.threads} threads, best of {args.rounds} rounds in turn")
    for r in rows:
        size = f"{r['width']}x{r['height']}" if r["width"] else ""
        line = f"{r['name']:<15} rows {r['rows']} {size:<10} torch {r['torch']:8.3f} s ({r['layout']})"
        print(line + (f"   ours {r['ours']:8.3f} s   ratio {r['ratio']:.3f}" if "ours" in r else ""))
    print("peak resident: " + ", ".join(f"{k} {v / 2**30:.2f} GiB" for k, v in memory.items() if v))
    missing = [k for k in ours if k not in theirs and k[0] in STAGES]
    for k in missing:
        print("ours alone:", k, f"{best(ours[k])['seconds']:.3f} s")


if __name__ == "__main__":
    main()
