"""The HOLA loss by PyTorch, from its formulas: what package train's graph is compared with.

Writes train/testdata/hola.json. A case is a batch of captions' token spans and parsing maps, the options, and supervised layers. Logits
are noise (see networks.py), attention probabilities their softmax; loss and the gradients by the logits and the probabilities are those of
float64. Then train/testdata/holanet.json: whole UNets, their loss alpha * mean squared error + beta * HOLA on the layers of stride 16, and
every weight's gradient as gradients.py has it.

    python3 oracle/hola.py
    python3 oracle/hola.py --sweep 200 --seed 1 --out FILE.json    # random cases; test with -run TestEqualsPyTorch -args -hola FILE.json

The published code's form: for each sample, stack every group's token maps and their mean, take the squared error against the group's
mask (resized bilinearly), the mean over positions and all stacked maps, then the mean over layers and heads, then over the samples
that have a group. The paper's Eq. 3: 1/N sum over groups of (sum over the group's tokens |m_j - h|^2 + |mean_j m_j - h|^2).
"""

import argparse
import itertools
import json
import pathlib
import random
import warnings

import torch
import torch.nn.functional as F

import gradients
import networks
import zoo

OUT = zoo.ROOT / "train" / "testdata"
PIXELS = 8


def resized(mask, size, how):
    """A mask [height, width] at the size of a map."""
    more = {"align_corners": False} if how == "bilinear" else {}
    return F.interpolate(mask[None, None], size=size, mode=how, **more)[0, 0]


def mask_of(labels, group):
    if group["foreground"]:
        return (labels > 0).double()
    return sum(((labels == l).double() for l in group["labels"]), torch.zeros_like(labels, dtype=torch.float64)).clamp(max=1)


def layer_loss(p, sample, size, options):
    """The loss of one sample [heads, S, tokens] in one layer, None where no group counts."""
    labels = torch.tensor(sample["map"]).reshape(sample["height"], sample["width"]) if sample["map"] else None
    per_head = []
    maps_of_heads = p.mean(0, keepdim=True) if options["heads"] == "average" else p
    for head in maps_of_heads:
        stacked, per_group, sums = [], [], []
        for group in sample["groups"]:
            start, end = group["tokens"]
            masked = group["foreground"] or group["labels"]
            if start == end or (not masked and options["maskless"] == "ignore"):
                continue
            target = resized(mask_of(labels, group), size, options["resize"]) if masked else torch.zeros(size, dtype=torch.float64)
            tokens = [head[:, j].reshape(size) for j in range(start, end)]
            maps = torch.stack([*tokens, torch.stack(tokens).mean(0)])
            squares = (maps - target) ** 2
            stacked.append(squares)
            per_group.append(squares.mean())
            sums.append(squares.sum())
        if not stacked:
            return None
        per_head.append({
            "authors": lambda: torch.cat(stacked).mean(),
            "per_group_mean": lambda: torch.stack(per_group).mean(),
            "paper": lambda: torch.stack(sums).sum() / len(sums),
        }[options["reduction"]]())
    return torch.stack(per_head).mean()


def hola(probabilities, samples, sizes, options):
    """probabilities: a layer each, [rows, heads, S, tokens]."""
    rows = []
    for i, sample in enumerate(samples):
        parts = [layer_loss(p[i], sample, size, options) for p, size in zip(probabilities, sizes)]
        if parts[0] is not None:
            rows.append(torch.stack(parts).mean())
    return torch.stack(rows).mean() if rows else sum(p.sum() for p in probabilities) * 0


def blob(g, height, width):
    """A parsing map of boxes of random labels, on background."""
    m = torch.zeros(height, width, dtype=torch.int64)
    for _ in range(6):
        y, x = (int(torch.randint(0, n, (1,), generator=g)) for n in (height, width))
        h, w = (int(torch.randint(1, n, (1,), generator=g)) for n in (height, width))
        m[y : y + h, x : x + w] = int(torch.randint(0, 18, (1,), generator=g))
    return m.flatten().tolist()


def sample(g, height, width, tokens, kind):
    def at(low, high):
        return int(torch.randint(low, high, (1,), generator=g))

    if kind == "dropped":
        return {"height": height, "width": width, "map": [], "groups": []}
    groups, start = [], 1
    for i in range(4):
        end = min(start + at(1, 4), tokens)
        if start >= end:
            break
        labels = sorted({at(0, 18) for _ in range(at(1, 5))})
        groups.append({"tokens": [start, end], "labels": labels, "foreground": False})
        start = end + at(0, 2)
    groups[0] |= {"labels": [], "foreground": True}
    groups[-1]["labels"] = []  # no mask
    groups.insert(1, {"tokens": [0, 0], "labels": [4], "foreground": False})  # cut off
    if kind == "cut":
        groups = [g | {"tokens": [0, 0]} for g in groups]
    if kind == "unmasked":
        groups = [groups[-1]]
    return {"height": height, "width": width, "map": blob(g, height, width), "groups": groups}


def options(reduction="authors", heads="per_head", resize="bilinear", maskless="zero"):
    return {"reduction": reduction, "heads": heads, "resize": resize, "maskless": maskless}


# Options, kinds of samples, image height and width, tokens, and (stride, heads) of each layer.
CASES = [
    *[
        (options(r, h, maskless=m), ["full", "full"], 48, 40, 11, [(16, 2), (16, 1)])
        for r, h, m in itertools.product(["authors", "paper", "per_group_mean"], ["per_head", "average"], ["zero", "ignore"])
    ],
    (options(resize="area"), ["full"], 80, 56, 11, [(32, 2)]),
    (options(resize="nearest"), ["full"], 80, 56, 11, [(32, 2)]),
    (options("paper", resize="area"), ["full", "dropped", "full"], 40, 72, 9, [(16, 1), (8, 1), (16, 2)]),
    (options("per_group_mean", "average"), ["cut", "full"], 40, 24, 9, [(32, 2), (8, 2)]),
    (options("authors", maskless="ignore"), ["unmasked", "full"], 48, 32, 9, [(16, 2)]),
    (options(), ["dropped", "dropped"], 32, 32, 5, [(16, 2)]),
    (options(), ["full"], 16, 32, 77, [(16, 2)]),
    (options("paper"), ["full"], 16, 32, 77, [(16, 2)]),
]


def map_size(height, width, stride):
    h, w, at = height // PIXELS, width // PIXELS, PIXELS
    while at < stride:
        h, w, at = (h + 1) // 2, (w + 1) // 2, at * 2
    return h, w


def run(i, row):
    chosen, kinds, height, width, tokens, layers = row
    g = torch.Generator().manual_seed(zoo.seed_of(f"hola/{i}"))
    samples = [sample(g, height, width, tokens, k) for k in kinds]
    sizes = [map_size(height, width, s) for s, _ in layers]
    described, logits, probabilities = [], [], []
    for j, ((stride, heads), (h, w)) in enumerate(zip(layers, sizes)):
        spec = {"shape": [len(kinds), heads, h * w, tokens], "seed": zoo.seed_of(f"hola/{i}/{j}")}
        x = (2 * networks.tensor(spec)).double().requires_grad_()
        p = x.softmax(-1)
        p.retain_grad()
        described.append({"stride": stride, "logits": spec})
        logits.append(x)
        probabilities.append(p)
    loss = hola(probabilities, samples, sizes, chosen)
    loss.backward()

    def numbers(t):
        return [float(f"{v:.8g}") for v in t.flatten().tolist()]

    for d, x, p in zip(described, logits, probabilities):
        d |= {"by_logits": numbers(x.grad), "by_probabilities": numbers(p.grad)}
    return {"options": chosen, "height": height, "width": width, "tokens": tokens, "loss": loss.item(), "samples": samples, "layers": described}


# Model, what picks the layers, options, alpha and beta, latent size, timesteps, kinds of samples.
NETWORKS = [
    ("tiny-sd", ("down_blocks.1.", "up_blocks.2."), options(), 0.1, 50.0, (5, 7), [21, 801], ["full", "full"]),
    ("tiny-sdxl", ("down_blocks.1.", "up_blocks.1."), options("paper", "average", "area", "ignore"), 1.0, 2.0, (6, 4), [500, 3], ["full", "dropped"]),
]
TOKENS = 17


class Recorder:
    """An attention processor that keeps the probabilities."""

    def __call__(self, attn, hidden_states, encoder_hidden_states=None, **_):
        def heads(x):
            return x.unflatten(-1, (attn.heads, -1)).transpose(1, 2)

        q, k, v = heads(attn.to_q(hidden_states)), heads(attn.to_k(encoder_hidden_states)), heads(attn.to_v(encoder_hidden_states))
        self.probabilities = (q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5).softmax(-1)
        return attn.to_out[0]((self.probabilities @ v).transpose(1, 2).flatten(-2))


def network(row):
    model, prefixes, chosen, alpha, beta, (height, width), timesteps, kinds = row
    g = torch.Generator().manual_seed(zoo.seed_of(f"holanet/{model}"))
    samples = [sample(g, height * PIXELS, width * PIXELS, TOKENS, k) for k in kinds]
    unet = zoo.load(model, "unet").double()
    recorders = {}
    for name, module in unet.named_modules():
        if name.endswith("attn2") and name.startswith(prefixes):
            recorders[name] = Recorder()
            module.set_processor(recorders[name])
    rows = len(timesteps)
    shapes = {"sample": (rows, unet.config.in_channels, height, width), "encoder_hidden_states": (rows, TOKENS, unet.config.cross_attention_dim)}
    added, ids = None, {}
    if unet.config.addition_embed_type:
        shapes["text_embeds"] = (rows, unet.config.projection_class_embeddings_input_dim - 6 * unet.config.addition_time_embed_dim)
        ids = {"time_ids": networks.TIME_IDS[:rows]}
    noise = {k: gradients.spec("holanet/" + model, k, *v) for k, v in shapes.items()}
    made = {k: networks.tensor(v).double() for k, v in noise.items()}
    if ids:
        added = {"text_embeds": made["text_embeds"], "time_ids": torch.tensor(ids["time_ids"], dtype=torch.float64)}
    out = unet(made["sample"], torch.tensor(timesteps, dtype=torch.float32), made["encoder_hidden_states"], added_cond_kwargs=added).sample
    target = gradients.spec("holanet/" + model, "target", *out.shape)
    size = map_size(height * PIXELS, width * PIXELS, 16)
    part = hola([r.probabilities for r in recorders.values()], samples, [size] * len(recorders), chosen)
    loss = alpha * F.mse_loss(out, networks.tensor(target).double()) + beta * part
    loss.backward()
    named = {zoo.canonical("unet", k): p.grad for k, p in unet.named_parameters() if p.grad is not None}
    return {
        "name": "holanet/" + model, "model": model, "options": chosen, "alpha": alpha, "beta": beta, "height": height * PIXELS, "width": width * PIXELS,
        "tokens": TOKENS, "timesteps": timesteps, **ids, "noise": noise, "target": target, "supervised": list(recorders), "samples": samples,
        "hola": part.item(), "loss": loss.item(), "norm": sum(float(g.norm()) ** 2 for g in named.values()) ** 0.5,
        "gradients": {
            k: [float(f"{v:.8g}") for v in [float(g.norm()), *(float((gradients.direction("holanet/" + model, k, i, g.shape).double() * g).sum()) for i in range(4))]]
            for k, g in named.items()
        },
    }


def write(path, cases):
    versions = json.dumps(zoo.versions())
    rows = ",\n".join("    " + json.dumps(c) for c in cases)
    path.write_text(f'{{\n  "versions": {versions},\n  "cases": [\n{rows}\n  ]\n}}\n')


def random_case(rng):
    chosen = options(
        rng.choice(["authors", "paper", "per_group_mean"]), rng.choice(["per_head", "average"]),
        rng.choice(["bilinear", "area", "nearest"]), rng.choice(["zero", "ignore"]),
    )
    kinds = [rng.choice(["full", "full", "full", "cut", "unmasked", "dropped"]) for _ in range(rng.randint(1, 3))]
    layers = [(rng.choice([8, 16, 32, 64]), rng.randint(1, 3)) for _ in range(rng.randint(1, 3))]
    return chosen, kinds, 8 * rng.randint(1, 12), 8 * rng.randint(1, 12), rng.randint(4, 77), layers


def main():
    args = argparse.ArgumentParser()
    args.add_argument("--sweep", type=int, default=0)
    args.add_argument("--seed", type=int, default=0)
    args.add_argument("--out", type=pathlib.Path, default=OUT / "hola.json")
    args = args.parse_args()
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore")
    OUT.mkdir(parents=True, exist_ok=True)
    if args.sweep:
        rng = random.Random(args.seed)
        write(args.out, [run(f"{args.seed}/{i}", random_case(rng)) for i in range(args.sweep)])
        return
    cases = [run(i, row) for i, row in enumerate(CASES)]
    write(args.out, cases)
    print(f"{len(cases)} cases, losses {[round(c['loss'], 5) for c in cases]}")
    cases = [network(row) for row in NETWORKS]
    write(OUT / "holanet.json", cases)
    for c in cases:
        print(f"{c['name']}: HOLA {c['hola']:.6g} of {c['loss']:.6g}, {len(c['supervised'])} layers, {len(c['gradients'])} gradients")


if __name__ == "__main__":
    main()
