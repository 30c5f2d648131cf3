"""Learning rates by diffusers' get_scheduler: what package train/loop's schedules are compared with.

Writes train/loop/testdata/schedules.json: for each schedule the rate of every step.

    python3 oracle/schedules.py
"""

import json

import diffusers
import torch
from diffusers.optimization import get_scheduler

import zoo

OUT = zoo.ROOT / "train" / "loop" / "testdata" / "schedules.json"
CASES = [
    {"name": "constant", "rate": 1e-4, "warmup": 0, "steps": 3},
    {"name": "constant_with_warmup", "rate": 3e-4, "warmup": 4, "steps": 8},
    {"name": "constant_with_warmup", "rate": 3e-4, "warmup": 0, "steps": 3},
    {"name": "linear", "rate": 1e-3, "warmup": 3, "steps": 10},
    {"name": "linear", "rate": 1e-3, "warmup": 0, "steps": 7},
    {"name": "linear", "rate": 1e-3, "warmup": 5, "steps": 5},
    {"name": "cosine", "rate": 2e-5, "warmup": 3, "steps": 17},
    {"name": "cosine", "rate": 2e-5, "warmup": 0, "steps": 1},
    {"name": "cosine_with_restarts", "rate": 1e-4, "warmup": 2, "steps": 20, "cycles": 3},
    {"name": "cosine_with_restarts", "rate": 1e-4, "warmup": 0, "steps": 9, "cycles": 1},
    {"name": "polynomial", "rate": 1e-4, "warmup": 2, "steps": 12, "power": 1.0},
    {"name": "polynomial", "rate": 1e-4, "warmup": 0, "steps": 12, "power": 2.5},
]


def run(case):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=case["rate"])
    schedule = get_scheduler(
        case["name"], optimizer, num_warmup_steps=case["warmup"], num_training_steps=case["steps"], num_cycles=case.get("cycles", 1), power=case.get("power", 1.0)
    )
    rates = []
    for _ in range(case["steps"] + 2):  # two steps more than were meant
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return case | {"rates": rates}


def main():
    versions = {"torch": torch.__version__.partition("+")[0], "diffusers": diffusers.__version__}
    rows = ",\n".join("    " + json.dumps(run(c)) for c in CASES)
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(f'{{\n  "versions": {json.dumps(versions)},\n  "cases": [\n{rows}\n  ]\n}}\n')


if __name__ == "__main__":
    main()
