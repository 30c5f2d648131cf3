"""Reference latents of every sampler: diffusers' schedulers driven as its pipelines drive them, with a function in place of the network.

Writes diffusion/testdata/samplers.json, the cases, and diffusion/testdata/samplers.bin, little-endian float32 for each case in turn:
init_noise_sigma, the timesteps, then the latents after each call in "kept".

    python3 oracle/samplers.py
    python3 oracle/samplers.py --sweep 2000 --seed 1 --out DIR/samplers    # random configs; test with -args -samplers DIR/samplers

A case:
    config    index into "configs", the scheduler_config.json that a model brings; the class it names is loaded first
    pipeline  sd | sdxl: whose loop is followed
    sampler, steps, eta, seed, size    what a user asks for; size is how many values the latents have
    strength  start part way from "image", as image-to-image does (0: from noise)
    calls     how many network calls were made; kept lists those whose latents are stored
    error     what diffusers raises, or says of numbers that are not finite, in place of calls and kept

The function is 0.6 x + 0.4 sin(0.01 t + i) for the i-th value, the sine in float64, the rest in float32.
"""

import argparse
import json
import pathlib
import random
import warnings

import diffusers
import numpy
import torch
from diffusers.configuration_utils import FrozenDict

from pipelines import SAMPLERS

OUT = pathlib.Path(__file__).resolve().parent.parent / "diffusion" / "testdata" / "samplers"

BASE = {
    "beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "num_train_timesteps": 1000, "steps_offset": 1,
    "set_alpha_to_one": False, "clip_sample": False, "trained_betas": None,
}
SD = {"_class_name": "PNDMScheduler", "_diffusers_version": "0.6.0", **BASE, "skip_prk_steps": True}
SDXL = {
    "_class_name": "EulerDiscreteScheduler", "_diffusers_version": "0.19.0.dev0", **BASE, "interpolation_type": "linear",
    "prediction_type": "epsilon", "sample_max_value": 1.0, "skip_prk_steps": True, "timestep_spacing": "leading",
    "use_karras_sigmas": False,
}


def network(x, t):
    shift = 0.4 * numpy.sin(0.01 * float(t) + numpy.arange(x.numel(), dtype=numpy.float64))
    return x * 0.6 + torch.from_numpy(shift.astype(numpy.float32)).reshape(x.shape)


def load(config, pipeline):
    """The scheduler as the pipeline holds it, then what its constructor changes."""
    scheduler = getattr(diffusers, config["_class_name"]).from_config(config)
    if pipeline == "sd":
        if getattr(scheduler.config, "steps_offset", 1) != 1:
            scheduler._internal_dict = FrozenDict({**scheduler.config, "steps_offset": 1})
        if getattr(scheduler.config, "clip_sample", False) is True:
            scheduler._internal_dict = FrozenDict({**scheduler.config, "clip_sample": False})
    return scheduler


def draw(config, case):
    kind, extra = SAMPLERS[case["sampler"]]
    scheduler = getattr(diffusers, kind).from_config(load(config, case["pipeline"]).config, **extra)
    generator = torch.Generator().manual_seed(case["seed"])
    scheduler.set_timesteps(case["steps"])
    timesteps, begin = scheduler.timesteps, 0
    tells = hasattr(scheduler, "set_begin_index")
    if case["strength"]:
        skipped = max(case["steps"] - min(int(case["steps"] * case["strength"]), case["steps"]), 0)
        if skipped == case["steps"]:
            raise ValueError("no step is left")
        begin = skipped * scheduler.order
        timesteps = timesteps[begin:]
    if tells and (case["pipeline"] == "sdxl" or case["strength"]):
        scheduler.set_begin_index(begin)
    latents = torch.randn((1, 4, case["size"] // 4, 1), generator=generator)
    if case["strength"]:
        image = torch.arange(latents.numel(), dtype=torch.float32).reshape(latents.shape) / 8 - 1
        latents = scheduler.add_noise(image, latents, timesteps[:1])
    else:
        latents = latents * scheduler.init_noise_sigma
    extra = {"ddim": {"eta": case["eta"], "generator": generator}, "euler_a": {"generator": generator},
             "euler": {"generator": generator}, "dpm": {"generator": generator}, "dpm_karras": {"generator": generator}}
    after = []
    for t in timesteps:
        output = network(scheduler.scale_model_input(latents, t), t)
        latents = scheduler.step(output, t, latents, **extra.get(case["sampler"], {}), return_dict=False)[0]
        if not bool(torch.isfinite(latents).all()):
            raise FloatingPointError("latents are not finite")
        after.append(latents.numpy().ravel().copy())
    if not after:
        raise IndexError("no step is taken")
    sigma = float(scheduler.init_noise_sigma)
    return numpy.array([sigma]), timesteps.numpy().astype(numpy.float32), after


def some(count, every):
    return list(range(count)) if every or count <= 6 else sorted({0, 1, 2, 3, count // 2, count - 2, count - 1})


def named_configs():
    """What models bring, and each key by itself."""
    ddim = {"_class_name": "DDIMScheduler", **BASE}
    return [
        SD, SDXL,
        {"_class_name": "DDIMScheduler", "num_train_timesteps": 1000},
        {**ddim, "prediction_type": "v_prediction"},
        {**ddim, "prediction_type": "v_prediction", "rescale_betas_zero_snr": True, "timestep_spacing": "trailing"},
        {**ddim, "rescale_betas_zero_snr": True, "timestep_spacing": "trailing"},
        {**SD, "beta_schedule": "linear", "set_alpha_to_one": True},
        {**SD, "beta_schedule": "squaredcos_cap_v2", "timestep_spacing": "linspace"},
        {**SD, "trained_betas": [round(0.001 + 0.0002 * i, 6) for i in range(100)], "num_train_timesteps": 100},
        {**SDXL, "timestep_spacing": "trailing"},
        {**SDXL, "timestep_spacing": "linspace", "steps_offset": 0},
        {**SDXL, "prediction_type": "sample"},
        {**SD, "skip_prk_steps": False},
        {**SD, "steps_offset": 0, "clip_sample": True},
        {**ddim, "clip_sample": True, "clip_sample_range": 1.5},
        {**ddim, "thresholding": True, "sample_max_value": 1.7, "dynamic_thresholding_ratio": 0.9},
        {**SDXL, "use_karras_sigmas": True},
        {**SDXL, "use_exponential_sigmas": True, "sigma_min": 0.05, "sigma_max": 12.0},
        {**SDXL, "use_beta_sigmas": True},
        {**SDXL, "interpolation_type": "log_linear", "final_sigmas_type": "sigma_min"},
        {**SDXL, "timestep_type": "continuous", "prediction_type": "v_prediction"},
        {"_class_name": "DPMSolverMultistepScheduler", **BASE, "algorithm_type": "sde-dpmsolver++", "solver_order": 2},
        {"_class_name": "DPMSolverMultistepScheduler", **BASE, "solver_order": 3, "solver_type": "heun", "euler_at_final": True},
        {"_class_name": "DPMSolverMultistepScheduler", **BASE, "algorithm_type": "dpmsolver", "final_sigmas_type": "sigma_min",
         "lower_order_final": False},
        {"_class_name": "DPMSolverMultistepScheduler", **BASE, "use_lu_lambdas": True, "lambda_min_clipped": -5.1},
        {"_class_name": "UniPCMultistepScheduler", **BASE, "solver_order": 3, "solver_type": "bh1", "disable_corrector": [0, 3]},
        {"_class_name": "UniPCMultistepScheduler", **BASE, "predict_x0": False, "final_sigmas_type": "sigma_min"},
        {"_class_name": "UniPCMultistepScheduler", **BASE, "use_flow_sigmas": True, "prediction_type": "flow_prediction",
         "flow_shift": 3.0},
        {"_class_name": "DEISMultistepScheduler", **BASE, "solver_type": "logrho", "algorithm_type": "deis"},
        {"_class_name": "HeunDiscreteScheduler", "num_train_timesteps": 1000, "beta_schedule": "exp"},
    ]


def listed_cases(configs):
    number = 0
    for i, _ in enumerate(configs):
        for sampler in SAMPLERS:
            main = i < 2
            for steps in (1, 2, 3, 5, 20, 30, 50) if main else (2, 5, 20):
                number += 1
                yield {"config": i, "pipeline": "sdxl" if i % 2 else "sd", "sampler": sampler, "steps": steps, "eta": 0.0,
                       "seed": 100 + number, "size": (24, 12, 36)[number % 3], "strength": 0.0}
            if main:
                for steps in (999, 1000):
                    yield {"config": i, "pipeline": ("sd", "sdxl")[i], "sampler": sampler, "steps": steps, "eta": 0.0, "seed": steps,
                           "size": 16, "strength": 0.0}
                for steps, strength in ((7, 0.5), (20, 0.3)):
                    yield {"config": i, "pipeline": ("sd", "sdxl")[i], "sampler": sampler, "steps": steps, "eta": 0.0, "seed": steps,
                           "size": 16, "strength": strength}
        for eta in (0.3, 1.0):
            yield {"config": i, "pipeline": "sd", "sampler": "ddim", "steps": 6, "eta": eta, "seed": i, "size": (24, 12)[i % 2],
                   "strength": 0.0}


def random_config(rng):
    """A config with a few keys changed, of any class."""
    config = dict(rng.choice(named_configs()))
    choices = {
        "_class_name": sorted({c for c, _ in SAMPLERS.values()}) + ["DEISMultistepScheduler", "DDPMScheduler"],
        "beta_schedule": ["linear", "scaled_linear", "squaredcos_cap_v2"],
        "beta_start": [0.0001, 0.00085, 0.002], "beta_end": [0.012, 0.02, 0.03],
        "num_train_timesteps": [1000, 1000, 100, 50, 1234],
        "timestep_spacing": ["leading", "linspace", "trailing"], "steps_offset": [0, 1, 2],
        "prediction_type": ["epsilon", "v_prediction", "sample"], "rescale_betas_zero_snr": [True, False],
        "set_alpha_to_one": [True, False], "clip_sample": [True, False], "clip_sample_range": [0.7, 2.0],
        "thresholding": [True, False], "sample_max_value": [0.5, 1.0, 3.0], "skip_prk_steps": [True, False],
        "use_karras_sigmas": [True, False], "use_exponential_sigmas": [True, False], "use_beta_sigmas": [True, False],
        "use_lu_lambdas": [True, False], "sigma_min": [None, 0.02, 0.1], "sigma_max": [None, 10.0, 20],
        "final_sigmas_type": ["zero", "sigma_min"], "interpolation_type": ["linear", "log_linear"],
        "timestep_type": ["discrete", "continuous"], "solver_order": [1, 2, 3, 4],
        "solver_type": ["midpoint", "heun", "bh1", "bh2", "logrho"],
        "algorithm_type": ["dpmsolver", "dpmsolver++", "sde-dpmsolver", "sde-dpmsolver++", "deis"],
        "lower_order_final": [True, False], "euler_at_final": [True, False], "lambda_min_clipped": [-5.1, -2.0, -float("inf")],
        "predict_x0": [True, False], "disable_corrector": [[], [0], [1, 4]], "use_flow_sigmas": [True, False, False],
        "flow_shift": [1.0, 3.0, 0.5], "_use_default_values": [["steps_offset", "timestep_spacing"]],
    }
    for key in rng.sample(sorted(choices), rng.choice([1, 2, 3, 5, 8])):
        config[key] = rng.choice(choices[key])
        if key == "num_train_timesteps":
            config["trained_betas"] = None
    return config


def random_cases(rng, configs, count):
    for _ in range(count):
        i = rng.randrange(len(configs))
        yield {"config": i, "pipeline": rng.choice(["sd", "sdxl"]), "sampler": (s := rng.choice(sorted(SAMPLERS))),
               "steps": rng.choice([1, 2, 3, 4, 5, 7, 10, 11, 14, 15, 20, 25, 30, 50, 77, 100, 100, 333, 999, 1000]),
               "eta": rng.choice([0.0, 0.5, 1.0]) if s == "ddim" else 0.0, "seed": rng.randrange(1 << 40),
               "size": rng.choice([4, 12, 16, 20, 36]), "strength": rng.choice([0.0, 0.0, 0.0, 0.4, 1.0])}


def main():
    args = argparse.ArgumentParser()
    args.add_argument("--sweep", type=int, default=0)
    args.add_argument("--seed", type=int, default=0)
    args.add_argument("--out", type=pathlib.Path, default=OUT)
    args = args.parse_args()
    warnings.filterwarnings("ignore")
    diffusers.utils.logging.set_verbosity_error()
    torch.set_num_threads(1)
    rng = random.Random(args.seed)
    configs = [random_config(rng) for _ in range(args.sweep // 5)] if args.sweep else named_configs()
    cases = list(random_cases(rng, configs, args.sweep) if args.sweep else listed_cases(configs))
    parts = []
    for case in cases:
        try:
            sigma, timesteps, after = draw(configs[case["config"]], case)
        except Exception as err:  # whatever diffusers raises is the answer
            case["error"] = f"{type(err).__name__}: {err}".splitlines()[0][:100]
            continue
        case["calls"] = len(after)
        case["kept"] = some(len(after), case["config"] < 2 and case["steps"] <= 50)
        parts += [sigma, timesteps, *(after[i] for i in case["kept"])]
    args.out.parent.mkdir(parents=True, exist_ok=True)
    numpy.concatenate(parts).astype("<f4").tofile(args.out.with_suffix(".bin"))
    rows = ",\n".join("    " + json.dumps(c) for c in cases)
    shown = ",\n".join("    " + json.dumps(c) for c in configs)
    versions = {"diffusers": diffusers.__version__, "numpy": numpy.__version__, "torch": torch.__version__.partition("+")[0]}
    args.out.with_suffix(".json").write_text(
        f'{{\n  "versions": {json.dumps(versions)},\n  "configs": [\n{shown}\n  ],\n  "cases": [\n{rows}\n  ]\n}}\n')
    print(len(cases), "cases,", sum("error" in c for c in cases), "refused,", args.out.with_suffix(".bin").stat().st_size // 1024, "KiB")


if __name__ == "__main__":
    main()
