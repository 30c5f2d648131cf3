"""Reference images: whole pipelines of the zoo, float32 on the CPU, with CLIP's real tokenizer.

Writes inference/testdata/<entry>.json, the cases, and inference/testdata/<entry>.safetensors with, for a case,
    <case>/latents   float32 [N, 4, h, w], the last step's, before the VAE's scaling is undone
    <case>/images    uint8 [N, H, W, 3]
    <case>/calls     float32 [calls, N, 4, h, w], the latents after every network call (in a few cases)

    python3 oracle/pipelines.py [entry ...]
    python3 oracle/pipelines.py --sheet DIR [entry ...]     # also contact sheets, to be looked at

A case is what a user asks for: prompt, negative_prompt (null when absent), sampler, eta, steps, guidance_scale, seed, count, width,
height; image i is drawn with torch.Generator().manual_seed(seed + i). With them stands how well the case is conditioned: `twin` compares
it with the same pipeline on other kernels (no oneDNN, plain attention), as norm ratio of the latents and greatest pixel difference.
`unet` names the entry that lends its UNet, filled with seed 1 (a composed model).
"""

import argparse
import json
import pathlib
import warnings

import diffusers
import numpy
import torch
from diffusers.models.attention_processor import AttnProcessor
from safetensors.torch import save_file

import zoo

OUT = zoo.ROOT / "inference" / "testdata"

SAMPLERS = {
    "ddim": ("DDIMScheduler", {}),
    "pndm": ("PNDMScheduler", {}),
    "lms": ("LMSDiscreteScheduler", {}),
    "euler": ("EulerDiscreteScheduler", {}),
    "euler_a": ("EulerAncestralDiscreteScheduler", {}),
    "dpm": ("DPMSolverMultistepScheduler", {}),
    "dpm_karras": ("DPMSolverMultistepScheduler", {"use_karras_sigmas": True}),
    "unipc": ("UniPCMultistepScheduler", {}),
    "heun": ("HeunDiscreteScheduler", {}),
}

BODY = "A full-body shot, an Asian adult female, fit, small road with trees, straight red above-chest hair, black leather oxford shoes"
FACE = "A close up portrait shot, an adult Indian female, fit, a beige wall, above chest brown bun hair, short sleeve saree!"
TEXT = "Café, naïve  œuvre 漢字 🙂 — it's 3 o'clock!!"
LONG = BODY + ", white cotton shirt, short plaid skirt in pleated shape, cotton backpack, socks" * 5
BAD = "blurry, low quality, bad anatomy!"


def case(prompt=BODY, sampler="ddim", steps=5, scale=7.5, negative=None, seed=17, count=1, size=(64, 64), eta=0.0, **extra):
    label = f"{sampler}-{steps}-{size[0]}x{size[1]}-s{seed}-g{scale:g}"
    return {
        "name": label, "prompt": prompt, "negative_prompt": negative, "sampler": sampler, "eta": eta, "steps": steps,
        "guidance_scale": scale, "seed": seed, "count": count, "width": size[0], "height": size[1]} | extra


def sweep():
    """What the two main entries go through: every sampler, both kinds of guidance, the three kinds of negative prompt, sizes, counts."""
    out = []
    for i, sampler in enumerate(SAMPLERS):
        out.append(case(BODY, sampler, 20, 7.5, seed=17, calls=True))
        out.append(case(FACE, sampler, 5, 3.0, BAD, seed=100 + i, size=[(96, 64), (64, 96), (72, 104)][i % 3]))
        out.append(case(TEXT, sampler, 2, 7.5, "", seed=200 + i, size=(40, 56)))
        out.append(case(BODY, sampler, 1, 1.0, seed=300 + i))
    for sampler in ("ddim", "pndm", "euler_a", "dpm_karras", "heun"):
        out.append(case(FACE, sampler, 50, 7.5, "", seed=23, size=(72, 56)))
    for sampler in ("ddim", "euler", "unipc"):
        out.append(case(LONG, sampler, 11, 4.5, LONG + BAD, seed=5))
    out += [
        case(BODY, "ddim", 10, 7.5, eta=1.0, seed=31),
        case(FACE, "ddim", 7, 3.0, BAD, eta=0.35, seed=32, size=(72, 104)),
        case(BODY, "ddim", 5, seed=17, count=3),
        case(BODY, "euler_a", 5, seed=4294967294, count=3),
        case(BODY, "ddim", 4, eta=0.7, seed=40, count=2),
        case("", "ddim", 5, 7.5, BAD, seed=41),
        case("", "euler", 5, 7.5, None, seed=42),
        case("", "euler", 5, 7.5, "", seed=42, size=(64, 72)),
        case(BODY, "ddim", 5, 0.0, BAD, seed=43),
        case(BODY, "dpm", 5, 1.5, None, seed=44, size=(8, 24)),
        case(BODY, "ddim", 3, 30.0, None, seed=0, size=(200, 16)),
    ]
    return out


def few(*samplers, small=(56, 40)):
    out = []
    for i, sampler in enumerate(samplers):
        out.append(case(BODY, sampler, 8, 7.5, seed=50 + i))
        out.append(case(FACE, sampler, 3, 3.0, [BAD, "", None][i % 3], seed=60 + i, size=(72, 104)))
    out.append(case(TEXT, samplers[0], 30, 5.0, "", seed=70, size=small))
    out.append(case(BODY, samplers[-1], 2, 1.0, seed=71, count=2))
    return out


CASES = {
    "tiny-sd": sweep() + [
        case(BODY, "ddim", 6, seed=80, size=(72, 64), unet="tiny-sd"), case(FACE, "euler_a", 4, seed=81, unet="tiny-sd")],
    "tiny-sdxl": sweep() + [
        case(BODY, "ddim", 6, seed=80, size=(72, 64), unet="tiny-sdxl"), case(FACE, "euler_a", 4, seed=81, unet="tiny-sdxl")],
    "tiny-sd2": few("ddim", "euler", "dpm", "heun") + [case(BODY, s, 6, seed=90) for s in ("pndm", "lms", "euler_a", "unipc")],
    "odd-blocks": few("ddim", "pndm", "euler_a"),
    "odd-time": few("ddim", "lms", "unipc", small=(88, 64)),
    "odd-cross": few("ddim", "dpm_karras"),
    "odd-vae": few("ddim", "euler"),
    "odd-vae8": few("ddim", "euler_a"),
    "zero-snr": few("ddim", "euler", "dpm") + [case(BODY, s, 6, seed=90) for s in ("pndm", "lms", "euler_a", "unipc", "heun")],
    "odd-xl": few("ddim", "euler", "euler_a"),
    "stats-xl": few("ddim", "dpm", "unipc"),
    "schedule-old": [case(BODY, s, 6, seed=90) for s in SAMPLERS],
    "schedule-bare": [case(BODY, s, 6, seed=90) for s in SAMPLERS],
}


def label_cases(listed):
    """Give cases that share a name a number."""
    seen = {}
    for c in listed:
        seen[c["name"]] = seen.get(c["name"], 0) + 1
        if seen[c["name"]] > 1:
            c["name"] += f"-{seen[c['name']]}"
    return listed


def draw(pipe, base, c):
    """One case: latents [N,C,h,w], images [N,H,W,3] and the latents after every network call."""
    kind, extra = SAMPLERS[c["sampler"]]
    pipe.scheduler = getattr(diffusers, kind).from_config(base, **extra)
    kept = []

    def keep(_, __, ___, values):
        kept.append(values["latents"].clone())
        return {}

    images = pipe(
        c["prompt"], height=c["height"], width=c["width"], num_inference_steps=c["steps"], guidance_scale=c["guidance_scale"],
        negative_prompt=c["negative_prompt"], num_images_per_prompt=c["count"], eta=c["eta"],
        generator=[torch.Generator().manual_seed(c["seed"] + i) for i in range(c["count"])],
        callback_on_step_end=keep, callback_on_step_end_tensor_inputs=["latents"], output_type="pil",
    ).images
    return kept[-1], torch.from_numpy(numpy.stack([numpy.asarray(i) for i in images])), torch.stack(kept)


def draw_twin(pipe, base, c):
    stock = pipe.unet.attn_processors
    pipe.unet.set_attn_processor(AttnProcessor())
    with torch.backends.mkldnn.flags(enabled=False):
        out = draw(pipe, base, c)
    pipe.unet.set_attn_processor(stock)
    return out


def write(name, sheet=None):
    pipe = zoo.pipeline(name)
    base, own = pipe.scheduler.config, pipe.unet
    kept, listed, refused = {}, [], []
    for c in label_cases(CASES[name]):
        pipe.unet = zoo.load(c["unet"], "unet", seed=1) if "unet" in c else own
        try:
            latents, images, calls = draw(pipe, base, c)
        except (IndexError, ValueError, RuntimeError) as err:
            refused.append((c["name"], repr(err)))
            continue
        if not bool(torch.isfinite(latents).all()):
            refused.append((c["name"], "latents are not finite"))
            continue
        other, pixels, _ = draw_twin(pipe, base, c)
        kept[c["name"] + "/latents"] = latents.contiguous()
        kept[c["name"] + "/images"] = images.contiguous()
        if c.pop("calls", False):
            kept[c["name"] + "/calls"] = calls.contiguous()
        gap = (pixels.int() - images.int()).abs()
        c["twin"] = {"latents": float(f"{float((other - latents).norm() / latents.norm()):.2g}"), "pixels": int(gap.max())}
        c["image_std"] = round(float(images.float().std()), 1)
        listed.append(c)
    OUT.mkdir(parents=True, exist_ok=True)
    save_file(kept, OUT / f"{name}.safetensors")
    about = {"model": name, "model_seed": 0, "versions": zoo.versions()}
    lines = ",\n".join("    " + json.dumps(c, ensure_ascii=False) for c in listed)
    (OUT / f"{name}.json").write_text(json.dumps(about, indent=2)[:-2] + ',\n  "cases": [\n' + lines + "\n  ]\n}\n")
    if sheet:
        contact(sheet / f"{name}.png", [kept[c["name"] + "/images"] for c in listed])
    print(
        f"{name}: {len(listed)} cases, {(OUT / f'{name}.safetensors').stat().st_size // 1024} KiB; twins at most"
        f" {max(c['twin']['latents'] for c in listed):.1e}, {max(c['twin']['pixels'] for c in listed)}/255;"
        f" image std {min(c['image_std'] for c in listed)} to {max(c['image_std'] for c in listed)}", flush=True)
    for c in listed:
        if c["twin"]["pixels"] > 0:
            print("  twin", c["name"], c["twin"])
    for r in refused:
        print("  refused", *r)


def contact(path, batches):
    from PIL import Image

    tiles = [Image.fromarray(i.numpy()) for b in batches for i in b]
    page = Image.new("RGB", (12 * 106, (len(tiles) + 11) // 12 * 106), "white")
    for i, tile in enumerate(tiles):
        tile.thumbnail((104, 104))
        page.paste(tile, (i % 12 * 106, i // 12 * 106))
    path.parent.mkdir(parents=True, exist_ok=True)
    page.save(path)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("entries", nargs="*")
    parser.add_argument("--sheet", type=pathlib.Path)
    args = parser.parse_args()
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore")
    diffusers.logging.set_verbosity_error()
    for name in args.entries or CASES:
        write(name, args.sheet)


if __name__ == "__main__":
    main()
