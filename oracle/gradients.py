"""Gradients of whole networks by PyTorch: what the backward graphs of package autodiff are compared with.

Writes autodiff/testdata/gradients.json. For every case the loss, and for every parameter and floating-point input the gradient's norm and
its dot products with DIRECTIONS directions of standard normal noise (that of the generator seeded with zlib.crc32 of "<case>/<name>/<i>"),
which estimate how far another gradient is: the mean of the squares of (g - ref) . direction is norm(g - ref)^2. The gradients are those
of the network in float64; float32_error is the largest distance of PyTorch's own float32 gradients from them, as a share of the bar
1e-4 norm(ref) + 1e-6 of the norm of all.

    python3 oracle/gradients.py

The loss is the mean over each output's elements of (output - target)^2, summed over the outputs; targets are noise, as inputs are (see
networks.py).
"""

import json
import warnings

import torch

import networks
import zoo

OUT = zoo.ROOT / "autodiff" / "testdata" / "gradients.json"
DIRECTIONS = 6

# entry, part, label, and the shapes of the inputs and what they are besides.
CASES = [
    ("odd-xl", "text_encoder", "gelu", {"rows": 1}),
    ("odd-blocks", "text_encoder", "quick", {"rows": 2}),
    ("odd-xl", "text_encoder_2", "projected", {"rows": 2}),
    ("tiny-sd", "unet", "sd", {"size": (9, 13), "timesteps": [21, 981], "tokens": 7}),
    ("tiny-sdxl", "unet", "sdxl", {"size": (8, 6), "timesteps": [500], "tokens": 9}),
    ("odd-time", "unet", "odd", {"size": (11, 9), "timesteps": [261], "tokens": 5}),
    ("tiny-sd", "vae_encoder", "encoder", {"size": (17, 24), "rows": 1}),
    ("tiny-sd", "vae_decoder", "decoder", {"size": (2, 3), "rows": 2}),
]


def direction(case, name, i, shape):
    return torch.randn(tuple(shape), generator=torch.Generator().manual_seed(zoo.seed_of(f"{case}/{name}/{i}")))


def spec(case, name, *shape):
    return {"shape": list(shape), "seed": zoo.seed_of(f"{case}/{name}")}


def describe(entry, part, label, more):
    """A case without its results."""
    name = f"{entry}/{part}/{label}"
    case = {"name": name, "model": entry, "part": part}
    config = zoo.config(entry, networks.folder(part))
    if part.startswith("text_encoder"):
        # Words of the vocabulary at random, the end of the text at an odd place.
        g = torch.Generator().manual_seed(zoo.seed_of(name))
        ids = torch.randint(1000, 40000, (more["rows"], 77), generator=g)
        for row in range(more["rows"]):
            ids[row, 0], ids[row, 20 + 9 * row :] = 49406, 49407
        return case | {"ids": ids.tolist(), "noise": {}}
    rows = more.get("rows") or len(more["timesteps"])
    if part == "unet":
        shapes = {
            "sample": (rows, config["in_channels"], *more["size"]),
            "encoder_hidden_states": (rows, more["tokens"], config["cross_attention_dim"]),
        }
        case["timesteps"] = more["timesteps"]
        if config.get("addition_embed_type"):
            pooled = config["projection_class_embeddings_input_dim"] - 6 * config["addition_time_embed_dim"]
            shapes["text_embeds"] = (rows, pooled)
            case["time_ids"] = networks.TIME_IDS[:rows]
    elif part == "vae_encoder":
        shapes = {"image": (rows, 3, *more["size"])}
    else:
        shapes = {"latents": (rows, config["latent_channels"], *more["size"])}
    return case | {"noise": {k: spec(name, k, *s) for k, s in shapes.items()}}


def run(case, dtype):
    """The loss and the gradients by name, of a network in a number format."""
    part = case["part"]
    module = zoo.load(case["model"], networks.folder(part)).to(dtype)
    made = {k: networks.tensor(v).to(dtype).requires_grad_() for k, v in case["noise"].items()}
    if part.startswith("text_encoder"):
        y = module(torch.tensor(case["ids"]), output_hidden_states=True)
        out = {"last_hidden_state": y.last_hidden_state, "penultimate_hidden_state": y.hidden_states[-2]}
        out["pooled"] = y.text_embeds if part == "text_encoder_2" else y.pooler_output
    elif part == "unet":
        added = None
        if "time_ids" in case:
            added = {"text_embeds": made["text_embeds"], "time_ids": torch.tensor(case["time_ids"], dtype=dtype)}
        steps = torch.tensor(case["timesteps"], dtype=torch.float32)
        out = {"output": module(made["sample"], steps, made["encoder_hidden_states"], added_cond_kwargs=added).sample}
    elif part == "vae_encoder":
        out = {"moments": module.encode(made["image"]).latent_dist.parameters}
    else:
        out = {"image": module.decode(made["latents"]).sample}
    case["targets"] = {k: spec(case["name"], "target " + k, *v.shape) for k, v in out.items()}
    loss = sum(((v - networks.tensor(case["targets"][k]).to(dtype)) ** 2).mean() for k, v in out.items())
    loss.backward()
    named = {zoo.canonical(part, k): p for k, p in module.named_parameters()}
    return loss.item(), {k: p.grad.double() for k, p in (named | made).items() if p.grad is not None}


def measure(case):
    loss, exact = run(case, torch.float64)
    _, single = run(case, torch.float32)
    total = sum(float(g.norm()) ** 2 for g in exact.values()) ** 0.5
    worst = max(float((single[k] - g).norm() / (1e-4 * g.norm() + 1e-6 * total)) for k, g in exact.items())
    case |= {"loss": loss, "norm": total, "float32_error": float(f"{worst:.2g}")}
    case["gradients"] = {
        k: [float(f"{v:.9g}") for v in [float(g.norm()), *(float((direction(case["name"], k, i, g.shape).double() * g).sum()) for i in range(DIRECTIONS))]]
        for k, g in exact.items()
    }
    return case


def main():
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore")
    cases = []
    for row in CASES:
        case = measure(describe(*row))
        cases.append(case)
        print(f"{case['name']}: loss {case['loss']:.6g}, {len(case['gradients'])} gradients, float32 at {case['float32_error']} of the bar", flush=True)
    OUT.parent.mkdir(parents=True, exist_ok=True)
    # One gradient a line: a change shows up as the lines it touches.
    lines = []
    for case in cases:
        listed = ",\n".join(f"      {json.dumps(k)}: {json.dumps(v)}" for k, v in case.pop("gradients").items())
        lines.append("    " + json.dumps(case)[:-1] + ', "gradients": {\n' + listed + "\n    }}")
    about = {"model_seed": 0, "directions": DIRECTIONS, "versions": zoo.versions()}
    text = json.dumps(about, indent=2)[:-2] + ',\n  "cases": [\n' + ",\n".join(lines) + "\n  ]\n}\n"
    json.loads(text)
    OUT.write_text(text)


if __name__ == "__main__":
    main()
