"""Whole pipeline folders of zoo entries with their weights, as save_pretrained writes them, in the layouts found in the wild.

They are too big to commit (the vocabulary's embedding), so tests by hand and the long tests make them in a scratch folder.

    python3 oracle/savepretrained.py OUTDIR [entry | entry:layout ...]     # default: tiny-sd and tiny-sdxl in every layout

Layouts, written to OUTDIR/<entry> or OUTDIR/<entry>-<layout>:
    default   what save_pretrained writes today
    fp16      float16 under the file names of the fp16 variant
    bf16      bfloat16 under the plain names
    sharded   every part in several files with an index
    old       years-old spelling: VAE attention as query, key, value, proj_attn; text_model. prefix and position_ids; vocab.json and
              merges.txt in place of tokenizer.json
    unet      the UNet alone at the root with other weights (seed 1), CosmicMan's class names and EMA keys: for --unet
Entries also include sd15 and sdxl, the full-size shapes.
"""

import argparse
import json
import pathlib
import shutil
import warnings

import torch
from safetensors.torch import load_file, save_file

import zoo

LAYOUTS = ("default", "fp16", "bf16", "sharded", "old", "unet")


def rewrite(path, rename, extra=None):
    """Rename the tensors of a safetensors file."""
    tensors = {rename(k): v for k, v in load_file(path).items()} | (extra or {})
    save_file(tensors, path, metadata={"format": "pt"})


def old_vae_name(key):
    for new, old in (("to_q", "query"), ("to_k", "key"), ("to_v", "value"), ("to_out.0", "proj_attn")):
        key = key.replace(f".attentions.0.{new}.", f".attentions.0.{old}.")
    return key


def spell_old(root, name):
    rewrite(root / "vae/diffusion_pytorch_model.safetensors", old_vae_name)
    for part in zoo.parts(name):
        if part.startswith("text_encoder"):
            ids = torch.arange(77).reshape(1, 77)
            rewrite(root / part / "model.safetensors", lambda k: zoo.canonical(part, k), {"text_model.embeddings.position_ids": ids})
    for folder, pad in zoo.pad_tokens(name).items():
        save_tokenizer(root / folder, pad)


def save_tokenizer(folder, pad):
    """A tokenizer folder as transformers 4 wrote it."""
    vocab, merges = zoo.vocabulary()
    for path in folder.iterdir():
        path.unlink()
    special = {"bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>", "pad_token": pad, "unk_token": "<|endoftext|>"}
    about = special | {
        "add_prefix_space": False, "do_lower_case": True, "errors": "replace", "model_max_length": 77, "tokenizer_class": "CLIPTokenizer"}
    (folder / "vocab.json").write_text(json.dumps(vocab, ensure_ascii=False))
    (folder / "merges.txt").write_text("#version: 0.2\n" + "".join(" ".join(m) + "\n" for m in merges))
    (folder / "special_tokens_map.json").write_text(zoo.encode(special))
    (folder / "tokenizer_config.json").write_text(zoo.encode(about))


def save_unet(root, name):
    net = zoo.load(name, "unet", seed=1)
    net.save_pretrained(root)
    about = json.loads((root / "config.json").read_text())
    new = lambda v: v + "_New" if v else v
    about |= {
        "_class_name": "UNet2DConditionModel_New", "mid_block_type": new(about["mid_block_type"]),
        "down_block_types": [new(v) for v in about["down_block_types"]], "up_block_types": [new(v) for v in about["up_block_types"]],
    }
    (root / "config.json").write_text(zoo.encode(about | zoo.EMA_KEYS))


def shard(root, pipe, name):
    """Save every part again in pieces of a fifth of its size."""
    for part in zoo.parts(name):
        module = getattr(pipe, part)
        shutil.rmtree(root / part)
        size = sum(t.numel() * t.element_size() for t in module.state_dict().values())
        module.save_pretrained(root / part, max_shard_size=f"{max(size // 5, 1000) // 1000}KB")
        if not list((root / part).glob("*.index.json")):
            raise SystemExit(f"{root / part} was not sharded")


def save_full(root, name):
    """A full-size pipeline, written tensor by tensor: SDXL's UNet alone would fill 10 GB of memory."""
    for part in zoo.parts(name):
        with torch.device("meta"):
            module = zoo.build(part, zoo.config(name, part))
        module.config.save_pretrained(root / part) if part.startswith("text") else module.save_config(root / part)
        file = "model.safetensors" if part.startswith("text") else "diffusion_pytorch_model.safetensors"
        tensors, header, end = zoo.weights(module), {"__metadata__": {"format": "pt"}}, 0
        for key, t in tensors.items():
            header[key] = {"dtype": "F32", "shape": list(t.shape), "data_offsets": [end, end + 4 * t.numel()]}
            end += 4 * t.numel()
        text = json.dumps(header).encode()
        text += b" " * (-len(text) % 8)
        with open(root / part / file, "wb") as out:
            out.write(len(text).to_bytes(8, "little") + text)
            for key, t in tensors.items():
                out.write(zoo.weight(part, zoo.canonical(part, key), t.shape).numpy().tobytes())
    for folder, pad in zoo.pad_tokens(name).items():
        zoo.tokenizer(pad).save_pretrained(root / folder)
    zoo.scheduler(name).save_pretrained(root / "scheduler")
    (root / "model_index.json").write_text(zoo.encode(zoo.index(name)))


def save(out, name, layout):
    root = out / (name if layout == "default" else f"{name}-{layout}")
    if root.exists():
        shutil.rmtree(root)
    if layout == "unet":
        return save_unet(root, name)
    if layout == "default" and name in zoo.FULL:
        return save_full(root, name)
    pipe = zoo.pipeline(name)
    if layout in ("fp16", "bf16"):
        pipe.to(dtype=torch.float16 if layout == "fp16" else torch.bfloat16)
    pipe.save_pretrained(root, variant="fp16" if layout == "fp16" else None)
    if layout == "sharded":
        shard(root, pipe, name)
    if layout == "old":
        spell_old(root, name)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("entries", nargs="*")
    args = parser.parse_args()
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore")
    for entry in args.entries or [f"{n}:{layout}" for n in ("tiny-sd", "tiny-sdxl") for layout in LAYOUTS]:
        name, _, layout = entry.partition(":")
        save(args.out, name, layout or "default")
        print(args.out / name, layout or "default")


if __name__ == "__main__":
    main()
