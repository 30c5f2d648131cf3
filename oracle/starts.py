"""What PyTorch's modules start from: the statistics of networks as diffusers and transformers make them, before any training.

Writes newmodel/fill/testdata/starts.json: for each tensor of some models of the zoo its shape, and over SEEDS seeds the mean, the standard
deviation and the largest magnitude. What newmodel/fill.Start draws is compared with these.

    python3 oracle/starts.py
"""

import json
import warnings

import torch

import zoo

OUT = zoo.ROOT / "newmodel" / "fill" / "testdata" / "starts.json"
SEEDS = 8

CASES = [("odd-vae", "text_encoder"), ("odd-vae", "unet"), ("odd-vae", "vae"), ("odd-xl", "text_encoder_2")]


def number(v):
    return float(f"{float(v):.5g}")


def case(entry, part):
    config = zoo.config(entry, part)
    if part.startswith("text_encoder"):
        config |= {"vocab_size": 300, "initializer_factor": 0.7}
    drawn = {}
    for seed in range(SEEDS):
        torch.manual_seed(seed)
        for key, value in zoo.weights(zoo.build(part, config)).items():
            drawn.setdefault(zoo.canonical(part, key), []).append(value.detach().double())
    tensors = {}
    for name, values in drawn.items():
        x = torch.stack(values)
        tensors[name] = {"shape": list(values[0].shape), "mean": number(x.mean()), "deviation": number((x - x.mean()).square().mean().sqrt()), "largest": number(x.abs().max())}
    about = {"layers": config["num_hidden_layers"], "factor": config["initializer_factor"]} if part.startswith("text_encoder") else {}
    return {"model": entry, "part": part, **about, "tensors": tensors}


def main():
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore")
    OUT.parent.mkdir(parents=True, exist_ok=True)
    rows = []
    for c in (case(*row) for row in CASES):
        listed = ",\n".join(f"      {json.dumps(k)}: {json.dumps(v)}" for k, v in c.pop("tensors").items())
        rows.append("    " + json.dumps(c)[:-1] + ', "tensors": {\n' + listed + "\n    }}")
    OUT.write_text(f'{{\n  "versions": {json.dumps(zoo.versions())},\n  "seeds": {SEEDS},\n  "cases": [\n' + ",\n".join(rows) + "\n  ]\n}\n")
    json.loads(OUT.read_text())


if __name__ == "__main__":
    main()
