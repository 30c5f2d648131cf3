"""Thirty steps of training by PyTorch: what package train's learner, AdamW and EMA are compared with.

Writes train/testdata/train30.json. A case trains a small UNet of the zoo, in float64, from the zoo's weights (LoRA: beside them, A being
noise and B zero) on latents, noise and texts that follow from seeds: torch.randn of the generator seeded with zlib.crc32 of
"train30/<case>/<what>/<batch>". Two batches are added up for a step; gradients are clipped to a norm of 1, weights changed by
torch.optim.AdamW and averaged by diffusers' EMAModel. Noise and targets are diffusers' DDPMScheduler's, low-rank terms what peft's layers
compute, HOLA the formulas of hola.py.

    python3 oracle/train30.py

For every batch the losses are stored, for every step the gradients' norm, and for every tensor (every eighth one's average) how it has
changed: the change's norm and its products with DIRECTIONS directions (see gradients.py), which estimate how far another change is. Tensors whose
gradient is zero but for rounding (below 1e-9 of all, such as a bias before a normalization) are listed apart, in still: Adam blows up
whatever rounding leaves. float32_error is how far PyTorch's own float32 changes are, at most, as a share of the change's norm.
"""

import copy
import json
import warnings

import torch
from diffusers import DDPMScheduler
from diffusers.training_utils import EMAModel

import gradients
import hola
import networks
import zoo

OUT = zoo.ROOT / "train" / "testdata" / "train30.json"
DIRECTIONS, STEPS, ADDED, TOKENS = 3, 30, 2, 13

CASES = [
    {"name": "full", "model": "tiny-sd", "size": [12, 8], "rows": 1, "rate": 3e-4, "ema": 0.9, "hola": hola.options(), "alpha": 1.0, "beta": 2.0},
    {"name": "lora", "model": "tiny-sdxl", "size": [12, 8], "rows": 2, "rate": 2e-3, "ema": 0.9999, "hola": hola.options("paper", "average", "area"),
     "alpha": 0.5, "beta": 1e-3, "lora": {"rank": 3, "alpha": 1.5, "targets": ["to_q", "to_k", "to_v", "to_out.0", "resnets.0.conv1", "downsamplers.0.conv"]}},
    {"name": "v", "model": "zero-snr", "size": [9, 7], "rows": 3, "rate": 3e-4, "ema": 0.99, "min_snr": 5.0, "offset": 0.05,
     "weights": [1.0, 0.25, 1.5], "areas": True, "timesteps": [[999, 0, 998], [1, 500, 999]]},
]


def seeded(case, what, *shape):
    return networks.tensor(gradients.spec("train30/" + case["name"], what, *shape))


class LowRank(torch.nn.Module):
    """What peft puts in a layer's place."""

    def __init__(self, base, path, options):
        super().__init__()
        self.base, rank = base, options["rank"]
        self.scale = options["alpha"] / rank
        if isinstance(base, torch.nn.Conv2d):
            self.lora_A = torch.nn.Conv2d(base.in_channels, rank, base.kernel_size, base.stride, base.padding, bias=False)
            self.lora_B = torch.nn.Conv2d(rank, base.out_channels, 1, bias=False)
        else:
            self.lora_A = torch.nn.Linear(base.in_features, rank, bias=False)
            self.lora_B = torch.nn.Linear(rank, base.out_features, bias=False)
        with torch.no_grad():
            a = self.lora_A.weight
            a.copy_(zoo.randn(a.shape, f"train30/{path}.lora_A") / a[0].numel() ** 0.5)
            self.lora_B.weight.zero_()

    def forward(self, x, *args):
        return self.base(x, *args) + self.scale * self.lora_B(self.lora_A(x))


def add_lora(unet, options):
    unet.requires_grad_(False)
    for path, module in list(unet.named_modules()):
        if isinstance(module, (torch.nn.Linear, torch.nn.Conv2d)) and any(path.endswith("." + t) for t in options["targets"]):
            parent, _, last = path.rpartition(".")
            setattr(unet.get_submodule(parent), last, LowRank(module, path, options))


def batch(case, n, config, samples, dtype):
    """Batch n: what the UNet sees of it, in a number format, and what the fixture says."""
    rows, (height, width) = case["rows"], case["size"]
    g = torch.Generator().manual_seed(zoo.seed_of(f"train30/{case['name']}/{n}"))
    timesteps = torch.randint(0, 1000, (rows,), generator=g).tolist()
    if n < len(case.get("timesteps", [])):
        timesteps = case["timesteps"][n]
    shape = (rows, config.in_channels, height, width)
    made = {"latents": seeded(case, f"latents/{n}", *shape), "noise": seeded(case, f"noise/{n}", *shape)}
    made["states"] = seeded(case, f"states/{n}", rows, TOKENS, config.cross_attention_dim)
    if config.addition_embed_type:
        made["text_embeds"] = seeded(case, f"text_embeds/{n}", rows, config.projection_class_embeddings_input_dim - 6 * config.addition_time_embed_dim)
        made["time_ids"] = torch.tensor(networks.TIME_IDS[:rows], dtype=torch.float32)
    if "offset" in case:
        offsets = torch.stack([torch.randn(config.in_channels, generator=torch.Generator().manual_seed(zoo.seed_of(f"train30/{case['name']}/offset/{n}/{i}"))) for i in range(rows)])
        made["noise"] = made["noise"] + case["offset"] * offsets[:, :, None, None]
    if case.get("areas"):
        made["areas"] = seeded(case, f"areas/{n}", rows, height, width).abs()
    picked = torch.randint(0, len(samples), (rows,), generator=g).tolist() if "hola" in case else []
    return {k: v.to(dtype) for k, v in made.items()}, {"timesteps": timesteps, "samples": picked}


def losses(case, unet, scheduler, recorders, made, said, samples):
    t = torch.tensor(said["timesteps"])
    x, noise = made["latents"], made["noise"]
    noisy = scheduler.add_noise(x, noise, t)
    added = {"text_embeds": made["text_embeds"], "time_ids": made["time_ids"]} if "time_ids" in made else None
    out = unet(noisy, t, made["states"], added_cond_kwargs=added).sample
    v = scheduler.config.prediction_type == "v_prediction"
    target = scheduler.get_velocity(x, noise, t) if v else noise
    error = (out - target) ** 2
    if "areas" in made:
        error = error * made["areas"][:, None]
    error = error.mean(dim=(1, 2, 3))
    if "min_snr" in case:
        alphas = scheduler.alphas_cumprod[t].double()
        snr = alphas / (1 - alphas)
        error = error * (snr.clamp(max=case["min_snr"]) / ((snr + 1) if v else snr)).to(error.dtype)
    if "weights" in case:
        error = error * torch.tensor(case["weights"], dtype=error.dtype)
    noise_loss = error.mean()
    if "hola" not in case:
        return noise_loss, None, noise_loss
    height, width = case["size"]
    size = hola.map_size(height * hola.PIXELS, width * hola.PIXELS, 16)
    part = hola.hola([r.probabilities for r in recorders], [samples[i] for i in said["samples"]], [size] * len(recorders), case["hola"])
    return noise_loss, part, case["alpha"] * noise_loss + case["beta"] * part


def run(case, samples, dtype):
    unet = zoo.load(case["model"], "unet")
    if "lora" in case:
        add_lora(unet, case["lora"])
    unet.to(dtype)
    recorders = []
    for name, module in unet.named_modules():
        if "hola" in case and name.endswith("attn2") and name.startswith(("down_blocks.1.", "up_blocks.2." if case["model"] == "tiny-sd" else "up_blocks.1.")):
            recorders.append(hola.Recorder())
            module.set_processor(recorders[-1])
    scheduler = DDPMScheduler.from_config(zoo.config(case["model"], "scheduler"))
    named = {k.replace(".base.", "."): p for k, p in unet.named_parameters() if p.requires_grad}
    before = {k: p.detach().clone() for k, p in named.items()}
    optimizer = torch.optim.AdamW(named.values(), lr=case["rate"], betas=(0.9, 0.999), weight_decay=1e-2, eps=1e-8)
    average = EMAModel(named.values(), decay=case["ema"])
    batches, norms, largest = [], [], dict.fromkeys(named, 0.0)
    for step in range(STEPS):
        optimizer.zero_grad()
        for i in range(ADDED):
            made, said = batch(case, step * ADDED + i, unet.config, samples, dtype)
            noise, part, total = losses(case, unet, scheduler, recorders, made, said, samples)
            (total / ADDED).backward()
            batches.append(said | {"noise": noise.item(), "total": total.item()} | ({"hola": part.item()} if part is not None else {}))
        norm = float(torch.nn.utils.clip_grad_norm_(named.values(), 1.0))
        norms.append(norm)
        for k, p in named.items():  # clipped: of a norm of all that is 1 at most
            largest[k] = max(largest[k], float(p.grad.norm()) / min(norm, 1.0))
        optimizer.step()
        average.step(named.values())
    changes = {k: (p.detach() - before[k]).double() for k, p in named.items()}
    averages = {k: (a - before[k]).double() for (k, a) in zip(named, average.shadow_params)}
    return batches, norms, largest, changes, averages


def projected(case, name, d):
    directions = [gradients.direction("train30/" + case["name"], name, i, d.shape).double() for i in range(DIRECTIONS)]
    return [float(f"{v:.7g}") for v in [float(d.norm()), *(float((r * d).sum()) for r in directions)]]


def runs(labels):
    """A map as [label, how often] pairs."""
    out = []
    for label in labels:
        if out and out[-1][0] == label:
            out[-1][1] += 1
        else:
            out.append([label, 1])
    return out


def measure(case):
    samples = []
    if "hola" in case:
        g = torch.Generator().manual_seed(zoo.seed_of("train30/" + case["name"]))
        height, width = (n * hola.PIXELS for n in case["size"])
        samples = [hola.sample(g, height, width, TOKENS, kind) for kind in ("full", "full", "dropped")]
    batches, norms, largest, changes, averages = run(case, samples, torch.float64)
    single = run(case, samples, torch.float32)
    still = sorted(k for k, v in largest.items() if v < 1e-9)
    moved = [k for k in changes if k not in still]
    off = {k: float((single[3][k] - changes[k]).norm() / changes[k].norm()) for k in moved}
    stored = [s | {"map": runs(s["map"])} for s in copy.deepcopy(samples)]
    case = case | {"tokens": TOKENS, "steps": STEPS, "added": ADDED, "samples": stored, "still": still, "batches": batches}
    case["norms"] = [float(f"{n:.8g}") for n in norms]
    case["float32_error"] = float(f"{max(off.values()):.2g}")
    print(f"{case['name']}: loss {batches[0]['total']:.5g} to {batches[-1]['total']:.5g}, {len(moved)} tensors move, {len(still)} do not, float32 is {case['float32_error']} off", flush=True)
    return case, {k: projected(case, k, changes[k]) for k in moved}, {k: projected(case, "average of " + k, averages[k]) for k in moved[::8]}


def main():
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore")
    entries = []
    for row in CASES:
        case, changes, averages = measure(row)
        entry = json.dumps(case)[:-1]
        for key, values in (("changes", changes), ("averages", averages)):
            entry += f', "{key}": {{\n' + ",\n".join(f"      {json.dumps(k)}: {json.dumps(v)}" for k, v in values.items()) + "\n    }"
        entries.append("    " + entry + "}")
    text = f'{{\n  "versions": {json.dumps(zoo.versions())},\n  "cases": [\n' + ",\n".join(entries) + "\n  ]\n}\n"
    json.loads(text)
    OUT.write_text(text)


if __name__ == "__main__":
    main()
