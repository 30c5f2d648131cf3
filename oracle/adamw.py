"""Twenty optimizer steps by PyTorch, and diffusers' moving average of the weights: what package train's arithmetic is compared with.

Writes train/testdata/adamw.json. Weights are noise that follows from a seed, gradients noise times a factor of the step, so that some are
clipped and some not; a case holds for each step its learning rate, its factor and the norm of the gradients, and after some steps the
weights and their average.

    python3 oracle/adamw.py
"""

import json
import math

import diffusers
import torch
from diffusers.training_utils import EMAModel

import networks
import zoo

OUT = zoo.ROOT / "train" / "testdata" / "adamw.json"
STEPS, KEPT = 20, (1, 2, 5, 20)
SHAPES = [(7,), (3, 5), (2, 3, 3, 3), (1,)]
CASES = [
    {"beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8, "weight_decay": 1e-2, "max_norm": 1.0, "rate": 1e-3, "decay": 0.9999},
    {"beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8, "weight_decay": 1e-2, "max_norm": 0.0, "rate": 1e-5, "decay": 0.9999},
    {"beta1": 0.5, "beta2": 0.95, "epsilon": 1e-3, "weight_decay": 0.3, "max_norm": 3.0, "rate": 1e-1, "decay": 0.5},
    {"beta1": 0.0, "beta2": 0.9, "epsilon": 1e-6, "weight_decay": 0.0, "max_norm": 1.0, "rate": 1e-2, "decay": 0.0},
]


def run(i, case):
    def drawn(name, shape):
        return {"shape": list(shape), "seed": zoo.seed_of(f"adamw/{i}/{name}")}

    weights = [drawn(f"weights/{j}", s) for j, s in enumerate(SHAPES)]
    parameters = [torch.nn.Parameter(networks.tensor(w)) for w in weights]
    optimizer = torch.optim.AdamW(
        parameters, lr=case["rate"], betas=(case["beta1"], case["beta2"]), eps=case["epsilon"], weight_decay=case["weight_decay"], foreach=False
    )
    average = EMAModel(parameters, decay=case["decay"])
    steps = []
    for n in range(1, STEPS + 1):
        rate = case["rate"] * (1 + math.cos(n / 7)) / 2
        factor = [0.01, 0.5, 4.0, 0.0][n % 4]
        gradients = [drawn(f"gradients/{n}/{j}", s) for j, s in enumerate(SHAPES)]
        for p, g in zip(parameters, gradients):
            p.grad = networks.tensor(g) * factor
        norm = torch.nn.utils.clip_grad_norm_(parameters, case["max_norm"] or math.inf)
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.step()
        average.step(parameters)
        step = {"rate": rate, "factor": factor, "norm": norm.item(), "gradients": [g["seed"] for g in gradients]}
        if n in KEPT:
            step["weights"] = [p.detach().flatten().tolist() for p in parameters]
            step["average"] = [p.flatten().tolist() for p in average.shadow_params]
        steps.append(step)
    return case | {"tensors": weights, "steps": steps}


def main():
    torch.set_num_threads(1)
    versions = {"torch": torch.__version__.partition("+")[0], "diffusers": diffusers.__version__}
    rows = ",\n".join("    " + json.dumps(run(i, c)) for i, c in enumerate(CASES))
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(f'{{\n  "versions": {json.dumps(versions)},\n  "cases": [\n{rows}\n  ]\n}}\n')


if __name__ == "__main__":
    main()
