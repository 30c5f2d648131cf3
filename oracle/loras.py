"""Reference images with LoRAs, for package inference: inference/testdata/loras/<entry>.json and .safetensors, as oracle/pipelines.py has
them. A case's `loras` name files of weights/lora/testdata (oracle/lora.py makes them) and their weights; `scale` is given to diffusers as
cross_attention_kwargs instead, over the weights.

    python3 oracle/loras.py [entry ...]

`moved` says how far the image is from the one without LoRAs, in 255ths on average: a case that moves nothing tests nothing.
"""

import argparse
import json
import warnings

import diffusers
import torch
from safetensors.torch import save_file

import lora
import pipelines
import zoo
from pipelines import BAD, BODY, FACE, case

OUT = pipelines.OUT / "loras"


def with_loras(files, *args, scale=None, **extra):
    c = case(*args, **extra)
    c["name"] = "-".join(f.split(".")[0] for f in files) + "-" + c["name"]
    c["loras"] = [{"file": f + ".safetensors", "weight": w} for f, w in files.items()]
    return c | ({"scale": scale} if scale else {})


CASES = {
    "zero-snr": [
        with_loras({"sd-peft": 1.0}, BODY, "ddim", 5, seed=17),  # attention, and the text encoder
        with_loras({"sd-kohya": 1.0}, FACE, "euler", 4, 3.0, BAD, seed=18, size=(72, 104)),  # convolutions, a stride, the embeddings of time
        with_loras({"sd-kohya": -0.6}, BODY, "ddim", 4, 1.0, seed=19, size=(40, 56)),
        with_loras({"sd-lora": 0.5}, FACE, "euler_a", 4, seed=20, count=2),
        with_loras({"sd-processors": 1.7}, BODY, "ddim", 3, seed=21),
        with_loras({"sd-metadata": 0.8}, BODY, "heun", 4, 7.5, "", seed=22),  # the UNet alone
        with_loras({"sd-peft": 0.7, "sd-kohya": 0.4}, FACE, "ddim", 5, seed=23, size=(64, 72)),
        with_loras({"sd-metadata": 1.0, "sd-lora": 1.0, "sd-peft": -0.5}, BODY, "euler", 3, seed=24),
        with_loras({"sd-peft": 1.0}, BODY, "ddim", 5, seed=25, scale=0.65),
    ],
    "stats-xl": [
        with_loras({"xl-kohya": 1.0}, BODY, "ddim", 5, seed=17),
        with_loras({"xl-kohya": 0.5}, FACE, "euler", 4, 3.0, BAD, seed=18, size=(72, 104)),
        with_loras({"xl-peft": 1.0}, BODY, "euler_a", 4, 7.5, "", seed=19, size=(56, 40), count=2),
        with_loras({"xl-peft": 1.2, "xl-kohya": -0.3}, FACE, "ddim", 4, seed=20),
        with_loras({"xl-peft": 1.0}, BODY, "ddim", 4, seed=21, scale=0.4),
    ],
}


class Scaled:
    """A pipeline that is called with a scale of its LoRAs."""

    def __init__(self, pipe, scale):
        self.__dict__.update(pipe=pipe, scale=scale)

    def __getattr__(self, name):
        return getattr(self.pipe, name)

    def __setattr__(self, name, value):
        setattr(self.pipe, name, value)

    def __call__(self, *args, **kwargs):
        return self.pipe(*args, cross_attention_kwargs={"scale": self.scale}, **kwargs)


def adapted(name, c):
    pipe = zoo.pipeline(name)
    names, weights = [], []
    for entry in c["loras"]:
        for source in lora.groups(lora.OUT / entry["file"]):  # each group an adapter: diffusers mixes up alphas that differ
            names.append(f"a{len(names)}")
            weights.append(entry["weight"])
            pipe.load_lora_weights(source, adapter_name=names[-1])
    pipe.set_adapters(names, weights)
    return Scaled(pipe, c["scale"]) if "scale" in c else pipe


def write(name):
    kept, listed = {}, []
    plain = zoo.pipeline(name)
    base = plain.scheduler.config
    for c in CASES[name]:
        pipe = adapted(name, c)
        latents, images, _ = pipelines.draw(pipe, base, c)
        assert bool(torch.isfinite(latents).all()), c
        other, pixels, _ = pipelines.draw_twin(pipe, base, c)
        _, without, _ = pipelines.draw(plain, base, c)
        kept[c["name"] + "/latents"] = latents.contiguous()
        kept[c["name"] + "/images"] = images.contiguous()
        gap = (pixels.int() - images.int()).abs()
        c["twin"] = {"latents": float(f"{float((other - latents).norm() / latents.norm()):.2g}"), "pixels": int(gap.max())}
        c["image_std"] = round(float(images.float().std()), 1)
        c["moved"] = round(float((without.float() - images.float()).abs().mean()), 1)
        listed.append(c)
    OUT.mkdir(parents=True, exist_ok=True)
    save_file(kept, OUT / f"{name}.safetensors")
    about = {"model": name, "model_seed": 0, "versions": zoo.versions()}
    lines = ",\n".join("    " + json.dumps(c, ensure_ascii=False) for c in listed)
    (OUT / f"{name}.json").write_text(json.dumps(about, indent=2)[:-2] + ',\n  "cases": [\n' + lines + "\n  ]\n}\n")
    for c in listed:
        print(f"{c['name']}: twin {c['twin']}, std {c['image_std']}, moved {c['moved']}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("entries", nargs="*")
    args = parser.parse_args()
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore")
    diffusers.logging.set_verbosity_error()
    for name in args.entries or CASES:
        write(name)


if __name__ == "__main__":
    main()
