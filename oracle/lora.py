"""LoRA files in all their spellings, and what diffusers makes of them, for package weights/lora: weights/lora/testdata.

    python3 oracle/lora.py                        # write the files and deltas.json
    python3 oracle/lora.py --read sd FILE...      # have diffusers read files; print the modules they change and how (sd or xl)

The networks are the zoo's zero-snr (sd) and stats-xl (xl). deltas.json has, for each file and module, u' D v and the norm of D, where
D is the change of the module's weight as peft has it after diffusers loaded the file.
"""

import argparse
import json
import pathlib
import re

import torch
import zoo
from diffusers import StableDiffusionPipeline, StableDiffusionXLPipeline
from diffusers.utils import convert_state_dict_to_diffusers
from peft import LoraConfig, get_peft_model_state_dict
from peft.tuners.tuners_utils import BaseTunerLayer
from safetensors import safe_open
from safetensors.torch import load_file, save_file

OUT = pathlib.Path(__file__).parent.parent / "weights/lora/testdata"
NETS = {"sd": "zero-snr", "xl": "stats-xl"}
ATTENTION = ["to_q", "to_k", "to_v", "to_out.0"]
TEXT = ["q_proj", "out_proj", "fc1"]


def pipeline(family):
    parts = {p: zoo.load(NETS[family], p) for p in zoo.parts(NETS[family])}
    parts["scheduler"] = zoo.scheduler(NETS[family])
    if family == "xl":
        return StableDiffusionXLPipeline(**parts, tokenizer=None, tokenizer_2=None, add_watermarker=False)
    return StableDiffusionPipeline(**parts, tokenizer=None, safety_checker=None, feature_extractor=None, requires_safety_checker=False)


def networks(pipe):
    return {p: getattr(pipe, p) for p in ("unet", "text_encoder", "text_encoder_2") if getattr(pipe, p, None) is not None}


def adapt(net, part, seed=0, **config):
    """Adds a LoRA whose factors are random numbers that follow from their names."""
    if config["target_modules"] == "every":
        layers = [k for k, m in net.named_modules() if isinstance(m, (torch.nn.Linear, torch.nn.Conv2d))]
        # The middle's first transformer and resnets in full; of the others what is small, and one module of each transformer.
        layers = [k for k in layers if "mid_block" in k and "transformer_blocks.1" not in k or "blocks.0.attn1.to_q" in k or
                  not re.search(r"transformer_blocks|(up_blocks|down_blocks.1).*\.conv[12]$", k)]
        config = config | {"target_modules": layers}
    net.add_adapter(LoraConfig(init_lora_weights=False, **config))
    with torch.no_grad():
        for name, p in net.named_parameters():
            if ".lora_" in name:
                p.copy_(zoo.randn(p.shape, f"{seed}/{part}/{name}") * 0.3)
    return get_peft_model_state_dict(net, adapter_name="default")


def tensors(pipe, unet, text=None, seed=0):
    """The state dict of each component with its settings."""
    return {p: adapt(net, p, seed, **(unet if p == "unet" else text)) for p, net in networks(pipe).items() if p == "unet" or text}


def save(pipe, name, made, dtype=torch.float32, **more):
    layers = {f"{p}_lora_layers": {k: v.to(dtype) for k, v in state.items()} for p, state in made.items()}
    pipe.save_lora_weights(OUT, weight_name=name, **layers, **more)


def write_flat(name, states, dtype, rename, metadata=None):
    """Writes tensors under rename(component, peft's key)."""
    flat = {rename(p, k): v.to(dtype).contiguous() for p, state in states.items() for k, v in state.items()}
    save_file(flat, OUT / name, metadata=metadata or {"format": "pt"})


def old_processors(part, key):
    """diffusers 0.14 to 0.17: attention processors, and text encoders patched in the same way."""
    key = zoo.canonical(part, key)
    if part == "unet":
        key = re.sub(r"\.to_(q|k|v|out)(\.0)?\.lora_", r".processor.to_\1_lora.", key)
    else:
        key = re.sub(r"\.(q|k|v|out)_proj\.lora_", r".to_\1_lora.", key)
        key = re.sub(r"\.lora_([AB])", r".lora_linear_layer.\1", key)
    return f"{part}." + key.replace(".A.", ".down.").replace(".B.", ".up.")


def original(key):
    """The first publication's name of a module of stats-xl's UNet: two layers a block, three on the way up."""
    resnet = {"conv1": "in_layers.2", "time_emb_proj": "emb_layers.1", "conv2": "out_layers.3", "conv_shortcut": "skip_connection"}
    top = {
        "conv_in": "input_blocks.0.0", "conv_out": "out.2", "time_embedding.linear_1": "time_embed.0",
        "time_embedding.linear_2": "time_embed.2", "add_embedding.linear_1": "label_emb.0.0", "add_embedding.linear_2": "label_emb.0.2",
        "down_blocks.0.downsamplers.0.conv": "input_blocks.3.0.op", "up_blocks.0.upsamplers.0.conv": "output_blocks.2.2.conv",
    }
    if key in top:
        return top[key]
    side, *rest = key.split(".", 1)
    if side == "mid_block":
        kind, i, rest = rest[0].split(".", 2)
        return f"middle_block.{1 if kind == 'attentions' else 2 * int(i)}.{resnet.get(rest, rest)}"
    block, kind, i, rest = rest[0].split(".", 3)
    number = 3 * int(block) + int(i) + int(side == "down_blocks")
    return f"{'input' if side == 'down_blocks' else 'output'}_blocks.{number}.{int(kind == 'attentions')}.{resnet.get(rest, rest)}"


def kohya(family, states, alphas):
    """sd-scripts' names, with an alpha a module: in turn for the UNet, the last one for text encoders."""
    out = {}
    for p, state in states.items():
        for key, value in state.items():
            module, side = zoo.canonical(p, key).split(".lora_")
            if p == "unet":
                name = "lora_unet_" + (original(module) if family == "xl" else module).replace(".", "_")
            else:
                name = {"sd": "lora_te_", "xl": {"text_encoder": "lora_te1_", "text_encoder_2": "lora_te2_"}.get(p)}[family]
                name += module.replace(".", "_")
            out[f"{name}.lora_{'down' if side.startswith('A') else 'up'}.weight"] = value
            alpha = alphas[len(out) // 3 % len(alphas)] if p == "unet" else alphas[-1]
            out.setdefault(f"{name}.alpha", torch.tensor(float(alpha)))
    return out


def make():
    rank = {"r": 2, "lora_alpha": 2}
    every = {"target_modules": "every", "r": 1, "lora_alpha": 1}

    # Today's format; ranks that differ.
    pipe = pipeline("sd")
    ranks = dict(r=2, lora_alpha=2, rank_pattern={"mid_block.*to_q": 3}, alpha_pattern={"mid_block.*to_q": 3})
    made = tensors(pipe, dict(target_modules=["to_q", "to_out.0"], **ranks), dict(target_modules=TEXT, **rank))
    save(pipe, "sd-peft.safetensors", made)
    # The same tensors in the spellings before.
    plain = pipeline("sd")
    one = {"r": 1, "lora_alpha": 1}
    made = tensors(plain, dict(target_modules=ATTENTION, **one), dict(target_modules=TEXT, **one), seed=1)
    save_file(
        {f"{p}.{k}": v.half().contiguous() for p, s in made.items() for k, v in convert_state_dict_to_diffusers(
            {zoo.canonical(p, k): v for k, v in s.items()}).items()}, OUT / "sd-lora.safetensors", metadata={"format": "pt"})
    write_flat("sd-processors.safetensors", made, torch.float16, old_processors)
    # Settings of peft in the metadata: alpha by pattern, and rank-stabilized scales.
    pipe = pipeline("sd")
    config = dict(r=4, lora_alpha=6, alpha_pattern={"attn2.to_k": 1.5, "mid_block.*to_v": 3}, use_rslora=True)
    made = tensors(pipe, dict(target_modules=["to_k", "to_v"], **config), seed=2)
    save(pipe, "sd-metadata.safetensors", made, torch.float16,
         unet_lora_adapter_metadata=pipe.unet.peft_config["default"].to_dict())

    # sd-scripts' format, everything in it: 1x1 and 3x3 convolutions, the embeddings of time.
    pipe = pipeline("sd")
    made = tensors(pipe, every, dict(target_modules=TEXT, **one), seed=3)
    save_file({k: v.half() for k, v in kohya("sd", made, [0.5, 2, 1.5]).items()}, OUT / "sd-kohya.safetensors", metadata={"ss_network_module": "networks.lora"})
    pipe = pipeline("xl")
    made = tensors(pipe, every, dict(target_modules=TEXT, **rank), seed=4)
    flat = {k: v.to(torch.bfloat16) for k, v in kohya("xl", made, [0.5, 2, 1.5]).items()}
    save_file(flat, OUT / "xl-kohya.safetensors", metadata={"ss_network_module": "networks.lora"})
    pipe = pipeline("xl")
    made = tensors(pipe, dict(target_modules=["to_k"], **rank), dict(target_modules=TEXT, **rank), seed=5)
    save(pipe, "xl-peft.safetensors", made, torch.bfloat16)


def cut(n, step, period):
    return torch.tensor([(i * step % period - period // 2) / 8 for i in range(n)], dtype=torch.float64)


def groups(path):
    """The tensors of a file, apart by alpha: diffusers 0.42 gives attentions the commonest alpha of a file where they differ."""
    with safe_open(path, "pt") as f:
        metadata = f.metadata() or {}
    state = load_file(path)
    if "lora_adapter_metadata" in metadata or not any(k.endswith(".alpha") for k in state):
        return [str(path)]
    out = {}
    for key, value in state.items():
        alpha = state.get(key.split(".")[0] + ".alpha")
        out.setdefault(None if alpha is None else float(alpha), {})[key] = value
    return list(out.values())


def read(family, path):
    """What diffusers makes of a file: module -> [u' D v, norm of D]."""
    out = {}
    for source in groups(path):
        pipe = pipeline(family)
        pipe.load_lora_weights(source)
        for part, net in networks(pipe).items():
            for name, module in net.named_modules():
                if isinstance(module, BaseTunerLayer):
                    d = module.get_delta_weight(module.active_adapters[0]).detach().double().flatten(1)
                    value = cut(d.shape[0], 7, 11) @ d @ cut(d.shape[1], 5, 13)
                    out[f"{part}.{zoo.canonical(part, name)}"] = [float(value), float(d.norm())]
    return dict(sorted(out.items()))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--read", nargs="+", metavar=("FAMILY", "FILE"))
    args = parser.parse_args()
    torch.set_num_threads(1)
    if args.read:
        for path in args.read[1:]:
            print(json.dumps({path: read(args.read[0], path)}, indent=1))
        return
    OUT.mkdir(parents=True, exist_ok=True)
    make()
    deltas = {p.name: read(p.name[:2], p) for p in sorted(OUT.glob("*.safetensors"))}
    lines = (f" {json.dumps(name)}: {{\n" + ",\n".join(f"  {json.dumps(m)}: [{v[0]:.9g}, {v[1]:.9g}]" for m, v in d.items()) + "\n }"
             for name, d in deltas.items())
    (OUT / "deltas.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
