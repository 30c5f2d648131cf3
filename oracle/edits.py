"""Reference images that begin from an image: diffusers' img2img and inpaint pipelines of the zoo, called once an image.

Writes inference/testdata/edits/<entry>.json, the cases, and inference/testdata/edits/<entry>.safetensors with the inputs,
    <image>          uint8 [H, W, 3], of an image or a mask
and for a case
    <case>/latents   float32 [N, C, h, w], the last step's, before the VAE's scaling is undone
    <case>/images    uint8 [N, H, W, 3]
    <case>/calls     float32 [calls, N, C, h, w], the latents after every network call (in a few cases)

    python3 oracle/edits.py [entry ...]
    python3 oracle/edits.py --sheet DIR [entry ...]     # also contact sheets, to be looked at

A case is as in pipelines.py, with init and mask (null without one), names of inputs, and strength. A size of 0 was not given to
the pipeline. The img2img pipelines take no size: one that is given is that to which the image is resized before, as the
pipelines resize it.
"""

import argparse
import json
import pathlib
import warnings

import diffusers
import numpy
import torch
from PIL import Image
from diffusers.models.attention_processor import AttnProcessor
from safetensors.torch import save_file

import zoo
from pipelines import BAD, BODY, FACE, SAMPLERS, contact, label_cases

OUT = zoo.ROOT / "inference" / "testdata" / "edits"


def photo(width, height, seed):
    """Colours that run, a disc, stripes and some noise."""
    rng = numpy.random.default_rng(seed)
    y, x = numpy.mgrid[0:height, 0:width]
    out = numpy.stack([255 * x / width, 255 * y / height, 128 + 90 * numpy.sin(x / 5 + seed)], -1)
    out[(x - width * 0.6) ** 2 + (y - height * 0.4) ** 2 < (width * 0.2) ** 2] = (240, 200, 30)
    out[y > height * 0.8] = (20, 40, 90)
    return numpy.clip(out + rng.normal(0, 12, out.shape), 0, 255).astype(numpy.uint8)


def soft(width, height):
    """A mask with all shades between black and white, whose middle is repainted."""
    y, x = numpy.mgrid[0:height, 0:width]
    away = numpy.hypot((x - width / 2) / width, (y - height / 2) / height)
    return numpy.repeat((255 * numpy.clip(1.3 - 3 * away, 0, 1)).astype(numpy.uint8)[..., None], 3, -1)


def half(width, height):
    out = numpy.zeros((height, width, 3), numpy.uint8)
    out[:, width // 2 :] = 255
    return out


def tinted(width, height):
    """A mask in colours, whose shade counts."""
    return photo(width, height, 9)


INPUTS = {
    "even": photo(64, 64, 1), "odd": photo(101, 75, 2), "small": photo(43, 50, 3), "tall": photo(60, 92, 4),
    "even-soft": soft(64, 64), "even-half": half(64, 64), "odd-soft": soft(101, 75), "tall-tinted": tinted(60, 92),
    "small-half": half(43, 50), "even-all": numpy.full((64, 64, 3), 255, numpy.uint8), "even-none": numpy.zeros((64, 64, 3), numpy.uint8),
}


def case(init, mask=None, sampler="ddim", steps=5, strength=0.8, scale=7.5, prompt=BODY, negative=None, seed=17, count=1, size=(0, 0), eta=0.0, **extra):
    label = f"{init}-{mask or 'whole'}-{sampler}-{steps}-x{strength:g}-s{seed}-g{scale:g}"
    return {
        "name": label, "init": init, "mask": mask, "strength": strength, "prompt": prompt, "negative_prompt": negative, "sampler": sampler,
        "eta": eta, "steps": steps, "guidance_scale": scale, "seed": seed, "count": count, "width": size[0], "height": size[1]} | extra


def sweep():
    """What the two main entries go through: every sampler, the strengths, both kinds of guidance, sizes, masks, counts."""
    out = []
    for i, sampler in enumerate(SAMPLERS):
        out.append(case("even", None, sampler, 10, 0.8, seed=i, calls=sampler in ("heun", "unipc")))
        out.append(case("odd", None, sampler, 7, 0.3, 1.0, FACE, seed=20 + i))
        out.append(case("even", None, sampler, 4, 1.0, seed=40 + i, size=[(48, 72), (64, 64), (72, 40)][i % 3]))
        out.append(case("even", "even-soft", sampler, 10, 0.8, seed=60 + i, size=(64, 64), calls=sampler in ("heun", "unipc")))
        out.append(case("odd", "odd-soft", sampler, 6, 1.0, 1.0, FACE, seed=80 + i, size=(96, 72)))
        out.append(case("tall", "tall-tinted", sampler, 7, 0.3, seed=100 + i, negative=BAD, size=(56, 88)))
    return out + [
        case("even", None, "ddim", 6, 0.5, seed=120, eta=0.6, count=2),
        case("even", "even-half", "ddim", 6, 0.9, seed=121, eta=0.6, count=2, size=(64, 64)),
        case("odd", None, "euler_a", 5, 0.61, seed=4294967295, count=3),
        case("small", None, "euler", 9, 0.34, seed=122),
        case("small", "small-half", "dpm", 9, 0.34, seed=123),
        case("tall", "tall-tinted", "euler", 3, 1.0, seed=124),
        case("even", "even-all", "lms", 4, 1.0, seed=125, size=(64, 64)),
        case("even", "even-none", "euler_a", 4, 0.7, seed=126, size=(64, 64)),
        case("even", None, "ddim", 1, 1.0, seed=127, prompt=""),
        case("even", "even-half", "pndm", 1, 1.0, seed=128, negative="", size=(64, 64)),
        case("small", None, "ddim", 50, 0.02, 3.0, seed=129),
    ]


def few(*samplers, masks=True):
    out = []
    for i, sampler in enumerate(samplers):
        out.append(case("odd", None, sampler, 6, 0.8, seed=140 + i))
        if masks:
            out.append(case("odd", "odd-soft", sampler, 6, 0.6, seed=150 + i, size=(88, 64)))
            out.append(case("even", "even-half", sampler, 4, 1.0, 1.0, seed=160 + i, size=(64, 64)))
    return out


CASES = {
    "tiny-sd": sweep(),
    "tiny-sdxl": sweep(),
    "tiny-sd2": few("ddim", "heun"),
    "odd-vae": few("ddim", "dpm"),
    "odd-vae8": few("euler", masks=False),  # the inpaint pipelines want 4 latent channels
    "zero-snr": few("ddim", "euler"),
    "odd-xl": few("unipc"),
    "stats-xl": few("ddim", "pndm"),
}


def pipeline(name, inpaint):
    whole = zoo.pipeline(name)
    xl = "XL" if "text_encoder_2" in zoo.parts(name) else ""
    kind = getattr(diffusers, f"StableDiffusion{xl}{'Inpaint' if inpaint else 'Img2Img'}Pipeline")
    if xl:
        more = {"force_zeros_for_empty_prompt": zoo.index(name)["force_zeros_for_empty_prompt"], "add_watermarker": False}
    else:
        more = {"requires_safety_checker": False}
    pipe = kind(**whole.components, **more)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def draw(pipe, base, c):
    """One case: latents [N,C,h,w], images [N,H,W,3] and the latents after every network call."""
    kind, extra = SAMPLERS[c["sampler"]]
    image = Image.fromarray(INPUTS[c["init"]])
    given = {}
    size = (c["width"], c["height"])
    if c["mask"]:
        given["mask_image"] = Image.fromarray(INPUTS[c["mask"]])
        if size != (0, 0):
            given |= {"width": size[0], "height": size[1]}
    elif size != (0, 0):
        image = image.resize(size, resample=Image.LANCZOS)
    latents, images, calls = [], [], []
    for i in range(c["count"]):
        pipe.scheduler = getattr(diffusers, kind).from_config(base, **extra)
        kept = []

        def keep(_, __, ___, values):
            kept.append(values["latents"].clone())
            return {}

        images += pipe(
            c["prompt"], image=image, strength=c["strength"], num_inference_steps=c["steps"], guidance_scale=c["guidance_scale"],
            negative_prompt=c["negative_prompt"], eta=c["eta"], generator=torch.Generator().manual_seed(c["seed"] + i),
            callback_on_step_end=keep, callback_on_step_end_tensor_inputs=["latents"], output_type="pil", **given,
        ).images
        latents.append(kept[-1])
        calls.append(torch.stack(kept))
    return torch.cat(latents), torch.from_numpy(numpy.stack([numpy.asarray(i) for i in images])), torch.cat(calls, 1)


def draw_twin(pipe, base, c):
    stock = pipe.unet.attn_processors
    pipe.unet.set_attn_processor(AttnProcessor())
    with torch.backends.mkldnn.flags(enabled=False):
        out = draw(pipe, base, c)
    pipe.unet.set_attn_processor(stock)
    return out


def write(name, sheet=None):
    pipes = {inpaint: pipeline(name, inpaint) for inpaint in (False, True)}
    base = pipes[False].scheduler.config
    kept, listed, refused = {}, [], []
    for c in label_cases(CASES[name]):
        pipe = pipes[bool(c["mask"])]
        try:
            latents, images, calls = draw(pipe, base, c)
        except (IndexError, ValueError, RuntimeError) as err:
            refused.append((c["name"], repr(err)))
            continue
        if not bool(torch.isfinite(latents).all()):
            refused.append((c["name"], "latents are not finite"))
            continue
        other, pixels, _ = draw_twin(pipe, base, c)
        for used in (c["init"], c["mask"]):
            if used:
                kept[used] = torch.from_numpy(INPUTS[used]).contiguous()
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
