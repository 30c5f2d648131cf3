"""Reference outputs of single networks: text encoders, UNet, VAE encoder and decoder of every zoo entry that adds one.

Writes model/testdata/<entry>.json, the cases with their inputs, and model/testdata/<entry>.safetensors, the outputs in float32. Inputs
are small integers, or normal noise that follows from a seed, so that only outputs are stored.

    python3 oracle/networks.py [entry ...]
    python3 oracle/networks.py --trace out.safetensors --case unet/9x13 tiny-sd   # every module's output, to find where two part ways

A case:
    part      text_encoder, text_encoder_2, unet, vae_encoder, vae_decoder
    noise     input name -> {shape, seed}: torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    ids       text encoders: the token ids, a list a row
    timesteps unet: one number a row
    time_ids  unet with text_time: six numbers a row
    outputs   output name -> {tensor: its name in the safetensors file, float32_error: norm ratio of float32 torch to float64 torch,
              std}
"""

import argparse
import json
import warnings

import torch
from safetensors.torch import save_file

import zoo

OUT = zoo.ROOT / "model" / "testdata"

PROMPTS = {
    "empty": "",
    "short": "A full-body shot, an Asian adult female, fit, white cotton shirt, 2 backpacks!",
    "long": "a close up portrait shot, " + "wavy above chest brown hair, leather high heels, " * 12 + "a beige wall",
}

# Rows of (name, height, width, timesteps, tokens); sizes are the latents'.
UNET_CASES = [
    ("8x8", 8, 8, [999], 77),
    ("8x16", 8, 16, [1, 500], 77),
    ("9x13", 9, 13, [0, 500.25, 999], 77),
    ("11x9", 11, 9, [21, 981], 154),
    ("7x5", 7, 5, [261], 77),
    ("3x5", 3, 5, [741, 3, 40], 7),
    ("24x10", 24, 10, [123.456], 77),
]
TIME_IDS = [[1024, 768, 0, 0, 1024, 768], [64, 72, 8, 3, 104, 72], [512, 2048, 256, 0, 768, 768]]

# Rows of (height, width, rows) of the latents, and of images in pixels.
DECODER_CASES = [(4, 4, 2), (5, 7, 1), (9, 3, 1), (1, 2, 1)]
ENCODER_CASES = [(64, 64, 2), (40, 56, 1), (72, 24, 3), (37, 51, 1)]


def noise(name, case, **shapes):
    return {k: {"shape": list(s), "seed": zoo.seed_of(f"{name}/{case}/{k}")} for k, s in shapes.items()}


def tensor(spec):
    return torch.randn(spec["shape"], generator=torch.Generator().manual_seed(spec["seed"]))


def cases(name):
    """Every case of an entry, without its outputs."""
    out = []
    pads = zoo.pad_tokens(name)
    for part in zoo.parts(name):
        config = zoo.config(name, part)
        if part.startswith("text_encoder"):
            tok = zoo.tokenizer(pads[part.replace("text_encoder", "tokenizer")])
            ids = lambda *names: tok([PROMPTS[n] for n in names], padding="max_length", max_length=77, truncation=True).input_ids
            out.append({"part": part, "name": part + "/long", "ids": ids("long")})
            out.append({"part": part, "name": part + "/empty-short", "ids": ids("empty", "short")})
        elif part == "unet":
            for label, h, w, steps, tokens in UNET_CASES:
                # Without padding, a map of one pixel cannot be halved.
                if min(h, w) < 8 and not config["downsample_padding"]:
                    continue
                label, rows, cross = "unet/" + label, len(steps), config["cross_attention_dim"]
                cross = cross[0] if isinstance(cross, list) else cross
                shapes = {"sample": (rows, config["in_channels"], h, w), "encoder_hidden_states": (rows, tokens, cross)}
                case = {"part": part, "name": label, "timesteps": steps}
                if config.get("addition_embed_type"):
                    pooled = config["projection_class_embeddings_input_dim"] - 6 * config["addition_time_embed_dim"]
                    shapes["text_embeds"] = (rows, pooled)
                    case["time_ids"] = TIME_IDS[:rows]
                out.append(case | {"noise": noise(name, label, **shapes)})
        else:
            for h, w, rows in ENCODER_CASES:
                label = f"vae_encoder/{h}x{w}"
                out.append({"part": "vae_encoder", "name": label, "noise": noise(name, label, image=(rows, 3, h, w))})
            for h, w, rows in DECODER_CASES:
                label = f"vae_decoder/{h}x{w}"
                shapes = {"latents": (rows, config["latent_channels"], h, w)}
                out.append({"part": "vae_decoder", "name": label, "noise": noise(name, label, **shapes)})
    return out


@torch.inference_mode()
def outputs(module, case, dtype=torch.float32):
    """Run a case; output name -> tensor."""
    part = case["part"]
    made = {k: tensor(v).to(dtype) for k, v in case.get("noise", {}).items()}
    if part.startswith("text_encoder"):
        y = module(torch.tensor(case["ids"]), output_hidden_states=True)
        got = {"last_hidden_state": y.last_hidden_state, "penultimate": y.hidden_states[-2]}
        return got | ({"text_embeds": y.text_embeds} if part == "text_encoder_2" else {"pooled": y.pooler_output})
    if part == "unet":
        added = None
        if "time_ids" in case:
            added = {"text_embeds": made["text_embeds"], "time_ids": torch.tensor(case["time_ids"], dtype=dtype)}
        steps = torch.tensor(case["timesteps"], dtype=torch.float32)
        return {"sample": module(made["sample"], steps, made["encoder_hidden_states"], added_cond_kwargs=added).sample}
    if part == "vae_encoder":
        return {"moments": module.encode(made["image"]).latent_dist.parameters}
    return {"image": module.decode(made["latents"]).sample}


def folder(part):
    return "vae" if part.startswith("vae") else part


def ratio(a, b):
    return float((a.double() - b.double()).norm() / b.double().norm())


def trace(module, case, path):
    """Write what every module of a network gave during a case."""
    kept, order = {}, []

    def keep(name):
        def hook(_, __, y):
            y = y[0] if isinstance(y, tuple) else y
            if isinstance(y, torch.Tensor):
                order.append(name)
                kept[f"{name}#{order.count(name)}"] = y.detach().clone().contiguous()

        return hook

    for name, child in module.named_modules():
        if name:
            child.register_forward_hook(keep(name))
    outputs(module, case)
    save_file(kept, path)
    for name, value in kept.items():
        print(name, list(value.shape))


def write(name):
    modules, kept, listed = {}, {}, []
    for case in cases(name):
        part = folder(case["part"])
        if part not in modules:
            modules[part] = (zoo.load(name, part), zoo.load(name, part).double())
        single, double = modules[part]
        got, exact = outputs(single, case), outputs(double, case, torch.float64)
        case["outputs"] = {}
        for k, v in got.items():
            key = f"{case['name']}/{k}"
            kept[key] = v.float().contiguous().clone()
            case["outputs"][k] = {
                "tensor": key, "float32_error": float(f"{ratio(v, exact[k]):.2g}"), "std": round(float(v.std()), 4)}
        listed.append(case)
    OUT.mkdir(parents=True, exist_ok=True)
    save_file(kept, OUT / f"{name}.safetensors")
    about = {"model": name, "model_seed": 0, "versions": zoo.versions()}
    # One case a line: easy to read, and a change shows up as the lines it touches.
    lines = ",\n".join("    " + json.dumps(c) for c in listed)
    text = json.dumps(about, indent=2)[:-2] + ',\n  "cases": [\n' + lines + "\n  ]\n}\n"
    json.loads(text)
    (OUT / f"{name}.json").write_text(text)
    worst = max((o["float32_error"], o["tensor"]) for c in listed for o in c["outputs"].values())
    size = (OUT / f"{name}.safetensors").stat().st_size
    print(f"{name}: {len(listed)} cases, {size // 1024} KiB, worst float32 error {worst[0]:.1e} at {worst[1]}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("entries", nargs="*")
    parser.add_argument("--trace")
    parser.add_argument("--case")
    args = parser.parse_args()
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore")
    if args.trace:
        (case,) = [c for c in cases(args.entries[0]) if c["name"] == args.case]
        trace(zoo.load(args.entries[0], folder(case["part"])), case, args.trace)
        return
    for name in args.entries or zoo.NETWORKS:
        write(name)


if __name__ == "__main__":
    main()
