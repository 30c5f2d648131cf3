"""Time steps of training in PyTorch and in ours in turn, on the same cores, float32.

Each round starts a fresh torch process and then our command, so that neither finds the other's memory or threads, for torch with and
without gradient checkpointing. A step is the gradients of a UNet's noise loss and AdamW with clipping. Low-rank terms are plain
modules beside each frozen Linear, as peft's are. Ratios above 1 are in our favour: images a second of wall-clock time and of the
processors' time, which other programs on the machine change less; and torch's peak of resident memory over ours.

    python3 oracle/bench_train.py [--cases doll,sd15-lora] [--ours "bin/cosmicman bench train"] [--rounds 2] [--threads 2]

Cases are those of `cosmicman bench train --case`; architectures are read from newmodel/archs. Made with torch 2.15.0, diffusers 0.42.1.
"""

import argparse
import json
import os
import pathlib
import platform
import resource
import shlex
import statistics
import subprocess
import sys
import tempfile
import time

ARCHS = pathlib.Path(__file__).parent.parent / "newmodel" / "archs"
ATTENTION = ("to_q", "to_k", "to_v", "to_out.0")
# architecture, rank (0: every weight), pixels of a side, images a step, pixels a latent
CASES = {"doll": ("doll", 0, 64, 16, 4), "sd15-lora": ("sd15", 16, 512, 1, 8), "sdxl-lora": ("sdxl", 16, 512, 1, 8)}


def processors():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def time_torch(args):
    """Measure one case in this process; prints JSON as ours does."""
    import diffusers
    import torch

    diffusers.logging.set_verbosity_error()
    torch.set_num_threads(args.threads)
    arch, rank, size, batch, factor = CASES[args.case]
    config = json.loads((ARCHS / f"{arch}.json").read_text())["unet"]
    torch.manual_seed(0)
    unet = diffusers.UNet2DConditionModel.from_config(config).train()

    class LowRank(torch.nn.Module):
        def __init__(self, base):
            super().__init__()
            self.base = base
            self.a = torch.nn.Linear(base.in_features, rank, bias=False)
            self.b = torch.nn.Linear(rank, base.out_features, bias=False)
            torch.nn.init.zeros_(self.b.weight)

        def forward(self, x):
            return self.base(x) + self.b(self.a(x))

    if rank:
        unet.requires_grad_(False)
        for name, module in list(unet.named_modules()):
            for key, part in list(module._modules.items()):
                if isinstance(part, torch.nn.Linear) and f"{name}.{key}".endswith(ATTENTION):
                    module._modules[key] = LowRank(part)
    if args.checkpointing:
        unet.enable_gradient_checkpointing()
    side = size // factor
    x, noise = torch.randn(batch, config["in_channels"], side, side), torch.randn(batch, config["out_channels"], side, side)
    timesteps, states = torch.arange(batch) * 411 % 1000, torch.randn(batch, 77, config["cross_attention_dim"])
    added = None
    if config.get("addition_embed_type"):
        pooled = config["projection_class_embeddings_input_dim"] - 6 * config["addition_time_embed_dim"]
        added = {"text_embeds": torch.randn(batch, pooled), "time_ids": torch.full((batch, 6), float(size))}
    trained = [p for p in unet.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-6, weight_decay=1e-2)
    wall, cpu, forward = [], [], []
    for _ in range(args.repeats + 1):
        start, before = time.perf_counter(), processors()
        optimizer.zero_grad(set_to_none=True)
        loss = torch.nn.functional.mse_loss(unet(x, timesteps, states, added_cond_kwargs=added).sample, noise)
        forward.append(time.perf_counter() - start)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        wall.append(time.perf_counter() - start)
        cpu.append(processors() - before)
    print(json.dumps({
        "seconds": statistics.median(wall[1:]), "min_seconds": min(wall[1:]), "min_cpu_seconds": min(cpu[1:]), "forward_seconds": min(forward[1:]),
        "trained": sum(p.numel() for p in trained), "torch": torch.__version__, "diffusers": diffusers.__version__,
    }))


def child(command):
    """Run a command; its JSON and its greatest resident memory in bytes."""
    with tempfile.TemporaryFile() as out:
        process = subprocess.Popen(command, stdout=out)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            sys.exit(f"{shlex.join(command)} ended with {process.returncode}")
        out.seek(0)
        return json.loads(out.read()), used.ru_maxrss * 1024


def ours(command, case, args):
    got, _ = child([*shlex.split(command), "--case", case, "--threads", str(args.threads), "--repeat", str(args.repeats), "--forward=false", "--json"])
    step = {k: sum(s[k] for s in got["stages"] if s["name"] in ("gradients", "optimizer")) for k in ("seconds", "min_seconds", "min_cpu_seconds")}
    return step | {"trained": got["trained"], "peak": got["peak_rss_bytes"], "own": got["rss_anon_bytes"]}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", default="doll,sd15-lora", help="of " + ", ".join(CASES))
    parser.add_argument("--ours", default="bin/cosmicman bench train")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--torch", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--case", help=argparse.SUPPRESS)
    parser.add_argument("--checkpointing", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    args = parser.parse_args()
    if args.torch:
        time_torch(args)
        return
    report = {"cpu": platform.processor(), "threads": args.threads, "rounds": args.rounds, "cases": {}}
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            report["cpu"] = line.partition(":")[2].strip()
    for case in args.cases.split(","):
        if case not in CASES:
            sys.exit(f"no case {case!r}, expected {', '.join(CASES)}")
        runs = {"torch": [], "torch, checkpointing": [], "ours": []}
        flags = ["--torch", "--case", case, "--threads", str(args.threads), "--repeats", str(args.repeats)]
        for _ in range(args.rounds):
            for name, more in (("torch", []), ("torch, checkpointing", ["--checkpointing"])):
                got, peak = child([sys.executable, __file__, *flags, *more])
                report |= {k: got.pop(k) for k in ("torch", "diffusers")}
                runs[name].append(got | {"peak": peak})
            runs["ours"].append(ours(args.ours, case, args))
        best = {name: {k: min(r[k] for r in of) for k in ("min_seconds", "min_cpu_seconds", "peak")} for name, of in runs.items()}
        counts = {r["trained"] for of in runs.values() for r in of}
        if len(counts) > 1:
            sys.exit(f"{case}: not the same is trained: {counts}")
        report["cases"][case] = {"batch": CASES[case][3], "trained": counts.pop(), "runs": runs, "best": best}
    if args.json:
        print(json.dumps(report))
        return
    print(f"{report['cpu']}, {args.threads} threads, torch {report['torch']}, diffusers {report['diffusers']}, best of {args.rounds} rounds in turn")
    for case, c in report["cases"].items():
        for name, b in c["best"].items():
            line = f"{case:<10} {name:<22} {c['batch'] / b['min_seconds']:8.3f} images/s  processors {b['min_cpu_seconds']:8.3f} s a step  peak {b['peak'] / 2**30:6.2f} GiB"
            if name != "ours":
                o = c["best"]["ours"]
                line += f"   ours: {b['min_seconds'] / o['min_seconds']:.2f}x by wall, {b['min_cpu_seconds'] / o['min_cpu_seconds']:.2f}x by processors, memory {b['peak'] / o['peak']:.2f}x"
            print(line)


if __name__ == "__main__":
    main()
