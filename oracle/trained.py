"""What `cosmicman train` writes, read by diffusers itself: LoRA files of both formats (kohya's by diffusers' reader of kohya's), with
and without text encoders; the folder of a UNet; whole models. Small models of SD's and SDXL's shape are trained for a few large steps, so
that what was learned is seen, and each is drawn with by diffusers and by `cosmicman generate`. Ends with 1 where a pixel is off by more
than 1 of 255, or where what was learned changes nothing.

    python3 oracle/trained.py PROGRAM [--library DIR] [--keep DIR]

Nothing of this is committed: what a run learns has other bits on another processor. `make test-trained` runs it.
"""

import argparse
import pathlib
import subprocess
import sys
import tempfile
import warnings

import diffusers
import numpy
import torch
from PIL import Image

PROMPT, SEED, STEPS, GUIDANCE, SIDE = "a full-body shot, an adult female, a red dress", 17, 4, 5.0, 64
CASES = {  # name: settings beside those of all
    "lora-kohya": ["--lora-format", "kohya", "--lora-targets", "transformer", "--lora-alpha", "8"],
    "lora-diffusers": ["--lora-format", "diffusers", "--lora-targets", "all", "--lora-rank", "4"],
    "lora-texts-kohya": ["--text-encoders", "--lora-format", "kohya", "--lora-alpha", "4"],
    "lora-texts-diffusers": ["--text-encoders", "--lora-format", "diffusers", "--write-precision", "bf16"],
    "unet": ["--teach", "unet", "--ema", "0.5", "--write-weights", "average"],
    "unet-pipeline": ["--teach", "unet", "--write-pipeline", "--loss-prediction", "v_prediction", "--write-precision", "fp16"],
    "unet-texts": ["--teach", "unet", "--text-encoders"],
    "vae": ["--teach", "vae", "--vae-latents", "channels"],
    "vae-scale": ["--teach", "vae", "--vae-latents", "scale"],
    "text": ["--teach", "text"],
}


def run(*args):
    done = subprocess.run([str(a) for a in args], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{args}: exit code {done.returncode}\n{done.stderr}")


def load(model, out):
    """The pipeline as a user of diffusers has it, in float32."""
    whole = out / "model"
    pipe = diffusers.DiffusionPipeline.from_pretrained(whole if whole.exists() else model, torch_dtype=torch.float32)
    if (out / "unet").exists():
        pipe.unet = diffusers.UNet2DConditionModel.from_pretrained(out / "unet", torch_dtype=torch.float32)
    if (out / "lora.safetensors").exists():
        pipe.load_lora_weights(out, weight_name="lora.safetensors")
    pipe.scheduler = diffusers.DDIMScheduler.from_config(pipe.scheduler.config)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def draw(pipe):
    image = pipe(PROMPT, height=SIDE, width=SIDE, num_inference_steps=STEPS, guidance_scale=GUIDANCE, generator=torch.Generator().manual_seed(SEED)).images[0]
    return numpy.asarray(image).astype(int)


def ours(program, library, model, out, path):
    what = ["--model", out / "model" if (out / "model").exists() else model]
    if (out / "unet").exists():
        what += ["--unet", out / "unet"]
    if (out / "lora.safetensors").exists():
        what += ["--lora", out / "lora.safetensors"]
    run(program, "generate", *library, *what, "--prompt", PROMPT, "--seed", SEED, "--steps", STEPS, "--guidance-scale", GUIDANCE, "--sampler", "ddim",
        "--width", SIDE, "--height", SIDE, "--output", path)
    return numpy.asarray(Image.open(path).convert("RGB")).astype(int)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--library")
    parser.add_argument("--arch", action="append", help="tiny-sd or tiny-sdxl; by default both")
    parser.add_argument("--keep", help="folder of what is made; by default it is thrown away")
    args = parser.parse_args()
    warnings.filterwarnings("ignore")
    diffusers.utils.logging.set_verbosity_error()
    torch.set_num_threads(1)
    library = ["--library", args.library] if args.library else []
    bad = []
    with tempfile.TemporaryDirectory() as temporary, torch.no_grad():
        top = pathlib.Path(args.keep or temporary)
        run(args.program, "data", "dolls", "--count", 8, "--size", SIDE, top / "dolls")
        for arch in args.arch or ("tiny-sd", "tiny-sdxl"):
            model = top / arch
            run(args.program, "models", "new", "--arch", arch, model)
            plain = draw(load(model, top / "nothing"))
            for name, settings in CASES.items():
                out = top / f"{arch}-{name}"
                run(args.program, "train", *library, "--model", model, "--data", top / "dolls", "--output", out, "--images-size", SIDE, "--threads", 1,
                    "--steps", 3, "--batch", 2, "--accumulate", 1, "--learning-rate", 0.01, "--samples-count", 0, *settings)
                theirs, mine = draw(load(model, out)), ours(args.program, library, model, out, top / "image.png")
                off, moved = abs(theirs - mine).max(), abs(theirs - plain).mean()
                print(f"{arch} {name}: at most {off} of 255 off, {moved:.2f} moved on average", flush=True)
                if off > 1 or moved < 0.5:
                    bad.append(f"{arch} {name}")
    if bad:
        sys.exit("not as diffusers draws: " + ", ".join(bad))


if __name__ == "__main__":
    main()
