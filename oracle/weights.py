"""Small weight files as the Python libraries write them, for package weights: weights/testdata.

    python3 oracle/weights.py

types.safetensors      every element type, a scalar, empty tensors, a name beyond ASCII; types.json has the values
rounding.safetensors   float32 values at every edge of rounding, and torch's float16 and bfloat16 of them
vae*                   one tiny AutoencoderKL: plain, fp16 variant, sharded, both, in its old spelling, with 1x1 convolutions
text*                  one tiny CLIPTextModel as transformers 5 writes it, with its projection, and as version 4 wrote it
"""

import json
import pathlib
import shutil
import warnings

import torch
from diffusers import AutoencoderKL
from safetensors.torch import load_file, save_file
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

OUT = pathlib.Path(__file__).parent.parent / "weights/testdata"
META = {"format": "pt"}
OLD = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}


def types():
    ramp = torch.arange(12, dtype=torch.float32).reshape(3, 4) / 7 - 1
    tensors = {
        "f32": ramp, "f16": ramp.half(), "bf16": ramp.bfloat16(), "scalar": torch.tensor(0.5), "empty": torch.zeros(0, 3),
        "f64": ramp.double(), "i64": torch.arange(3), "i32": torch.arange(3).int(), "i16": torch.arange(3).short(),
        "i8": torch.arange(3).to(torch.int8), "u8": torch.arange(3).to(torch.uint8), "bool": torch.tensor([True, False]),
        'näme "quoted"\n': torch.ones(1), "empty16": torch.zeros(2, 0).half(),
    }
    save_file(tensors, OUT / "types.safetensors", metadata=META | {"note": "π"})
    floats = {k: v.float().flatten().tolist() for k, v in tensors.items() if v.dtype in (torch.float32, torch.float16, torch.bfloat16)}
    (OUT / "types.json").write_text(json.dumps(floats, ensure_ascii=False, indent=1) + "\n")


def rounding():
    """Bit patterns around the exponents where float16's behaviour changes, with all kinds of low bits."""
    lows = [0, 1, 0xFFF, 0x1000, 0x1001, 0x1FFF, 0x2000, 0x2FFF, 0x3000, 0x3001, 0x7FFF, 0x8000, 0x8001, 0x18000, 0x7FFFFF]
    exponents = [0, 1, 100, 101, 102, 103, 104, 107, 111, 112, 113, 114, 127, 141, 142, 143, 150, 254]
    bits = [e << 23 | low for e in exponents for low in lows] + [0x7F800000]
    bits = torch.tensor(bits + [b | 0x80000000 for b in bits], dtype=torch.int64)
    f32 = (bits - (bits >= 1 << 31) * (1 << 32)).to(torch.int32).view(torch.float32)
    save_file({"f32": f32, "f16": f32.half(), "bf16": f32.bfloat16()}, OUT / "rounding.safetensors")


def rewrite(folder, source, file, change):
    shutil.copytree(OUT / source, OUT / folder)
    save_file(change(load_file(OUT / source / file)), OUT / folder / file, metadata=META)


def old_vae(tensors):
    out = {}
    for key, value in tensors.items():
        for new, old in OLD.items():
            key = key.replace(f".attentions.0.{new}.", f".attentions.0.{old}.")
        out[key] = value
    return out


def conv_vae(tensors):
    attention = lambda k, v: ".attentions.0.to_" in k and v.ndim == 2
    return {k: v[:, :, None, None].contiguous() if attention(k, v) else v for k, v in tensors.items()}


def vae():
    net = AutoencoderKL(block_out_channels=[4], norm_num_groups=2, layers_per_block=1, latent_channels=1)
    net.save_pretrained(OUT / "vae")
    net.save_pretrained(OUT / "vae-sharded", max_shard_size="3KB")
    rewrite("vae-old", "vae", "diffusion_pytorch_model.safetensors", old_vae)
    rewrite("vae-conv", "vae", "diffusion_pytorch_model.safetensors", conv_vae)
    net.half().save_pretrained(OUT / "vae-fp16", variant="fp16")
    net.save_pretrained(OUT / "vae-sharded-fp16", variant="fp16", max_shard_size="2KB")


def text():
    about = CLIPTextConfig(
        vocab_size=16, hidden_size=4, intermediate_size=8, num_hidden_layers=1, num_attention_heads=2, max_position_embeddings=5,
        projection_dim=3, bos_token_id=14, eos_token_id=15)
    CLIPTextModel(about).save_pretrained(OUT / "text")
    CLIPTextModelWithProjection(about).save_pretrained(OUT / "text-projection")
    CLIPTextModelWithProjection(about).save_pretrained(OUT / "text-projection-sharded-fp16", variant="fp16", max_shard_size="1KB")
    old = lambda tensors: {f"text_model.{k}": v for k, v in tensors.items()} | {"text_model.embeddings.position_ids": torch.arange(5)[None]}
    rewrite("text-old", "text", "model.safetensors", old)
    # What version 4 wrote is what version 5 must load: with no tensor missing or left over.
    _, info = CLIPTextModel.from_pretrained(OUT / "text-old", output_loading_info=True)
    if info["missing_keys"] or info["mismatched_keys"]:
        raise SystemExit(f"transformers does not load the old spelling: {info}")


def main():
    torch.set_num_threads(1)
    torch.manual_seed(0)
    warnings.filterwarnings("ignore")
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir(parents=True)
    for make in (types, rounding, vae, text):
        make()
    # AutoencoderKL must load every spelling with the same weights.
    plain = AutoencoderKL.from_pretrained(OUT / "vae").state_dict()
    for layout in ("vae-sharded", "vae-old"):
        other = AutoencoderKL.from_pretrained(OUT / layout).state_dict()
        if not all(torch.equal(v, other[k]) for k, v in plain.items()):
            raise SystemExit(f"diffusers reads {layout} differently")


if __name__ == "__main__":
    main()
