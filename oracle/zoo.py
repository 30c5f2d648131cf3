"""The zoo: tiny pipelines of many shapes, as configs without weights.

Every entry is a diffusers folder testdata/zoo/<name>/ that holds only JSON. The weights follow from the tensors' names (see weight), so
that the Go tests and the scripts here have the same numbers and none are committed. The JSON files are the truth: run this file to
write them from the table below, and import it to load the parts.

    python3 oracle/zoo.py            # write testdata/zoo
    python3 oracle/zoo.py --check    # compare testdata/zoo with the table and print each entry's contrast
"""

import argparse
import copy
import functools
import json
import math
import os
import pathlib
import re
import sys
import zlib

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch

ROOT = pathlib.Path(__file__).resolve().parent.parent
ZOO = ROOT / "testdata" / "zoo"

# The two noise schedules as the base models publish them.
SD_SCHEDULER = {
    "_class_name": "PNDMScheduler",
    "_diffusers_version": "0.6.0",
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "beta_start": 0.00085,
    "clip_sample": False,
    "num_train_timesteps": 1000,
    "set_alpha_to_one": False,
    "skip_prk_steps": True,
    "steps_offset": 1,
    "trained_betas": None,
}
SDXL_SCHEDULER = {
    "_class_name": "EulerDiscreteScheduler",
    "_diffusers_version": "0.19.0.dev0",
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "beta_start": 0.00085,
    "clip_sample": False,
    "interpolation_type": "linear",
    "num_train_timesteps": 1000,
    "prediction_type": "epsilon",
    "sample_max_value": 1.0,
    "set_alpha_to_one": False,
    "skip_prk_steps": True,
    "steps_offset": 1,
    "timestep_spacing": "leading",
    "trained_betas": None,
    "use_karras_sigmas": False,
}


def text_encoder(hidden, heads, layers, act="quick_gelu", projection=None, **extra):
    config = {
        "architectures": ["CLIPTextModelWithProjection" if projection else "CLIPTextModel"],
        "attention_dropout": 0.0,
        "bos_token_id": 0,
        "dropout": 0.0,
        "eos_token_id": 2,
        "hidden_act": act,
        "hidden_size": hidden,
        "initializer_factor": 1.0,
        "initializer_range": 0.02,
        "intermediate_size": 2 * hidden,
        "layer_norm_eps": 1e-05,
        "max_position_embeddings": 77,
        "model_type": "clip_text_model",
        "num_attention_heads": heads,
        "num_hidden_layers": layers,
        "pad_token_id": 1,
        "projection_dim": projection or hidden,
        "torch_dtype": "float32",
        "vocab_size": 49408,
    }
    return config | extra


def vae(channels, **extra):
    config = {
        "_class_name": "AutoencoderKL",
        "_diffusers_version": "0.6.0",
        "act_fn": "silu",
        "block_out_channels": channels,
        "down_block_types": ["DownEncoderBlock2D"] * len(channels),
        "in_channels": 3,
        "latent_channels": 4,
        "layers_per_block": 2,
        "norm_num_groups": 32,
        "out_channels": 3,
        "sample_size": 8 * 2 ** (len(channels) - 1),
        "up_block_types": ["UpDecoderBlock2D"] * len(channels),
    }
    return config | extra


def unet(channels, down, up, heads, cross, **extra):
    """down and up are words of letters, one a block: C for a block with cross-attention, D (or U) for one without."""
    suffix = extra.pop("suffix", "")
    config = {
        "_class_name": "UNet2DConditionModel" + suffix,
        "_diffusers_version": "0.19.0.dev0",
        "act_fn": "silu",
        "attention_head_dim": heads,
        "block_out_channels": channels,
        "center_input_sample": False,
        "cross_attention_dim": cross,
        "down_block_types": [("CrossAttn" if c == "C" else "") + "DownBlock2D" + suffix for c in down],
        "downsample_padding": 1,
        "flip_sin_to_cos": True,
        "freq_shift": 0,
        "in_channels": 4,
        "layers_per_block": 2,
        "mid_block_scale_factor": 1,
        "norm_eps": 1e-05,
        "norm_num_groups": 32,
        "out_channels": 4,
        "sample_size": 8,
        "up_block_types": [("CrossAttn" if c == "C" else "") + "UpBlock2D" + suffix for c in up],
    }
    return config | extra


def sd(unet, vae, text_encoder, scheduler=SD_SCHEDULER):
    index = {
        "_class_name": "StableDiffusionPipeline",
        "_diffusers_version": "0.6.0",
        "feature_extractor": [None, None],
        "requires_safety_checker": False,
        "safety_checker": [None, None],
        "scheduler": ["diffusers", scheduler["_class_name"]],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    }
    return {"index": index, "unet": unet, "vae": vae, "text_encoder": text_encoder, "scheduler": scheduler}


def sdxl(unet, vae, text_encoder, text_encoder_2, scheduler=SDXL_SCHEDULER, force_zeros=True):
    index = {
        "_class_name": "StableDiffusionXLPipeline",
        "_diffusers_version": "0.19.0.dev0",
        "force_zeros_for_empty_prompt": force_zeros,
        "add_watermarker": None,
        "scheduler": ["diffusers", scheduler["_class_name"]],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "text_encoder_2": ["transformers", "CLIPTextModelWithProjection"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "tokenizer_2": ["transformers", "CLIPTokenizer"],
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    }
    parts = {"unet": unet, "vae": vae, "text_encoder": text_encoder, "text_encoder_2": text_encoder_2}
    return {"index": index, **parts, "scheduler": scheduler}


def text_time(pooled, each):
    """Keys of SDXL's added conditions: pooled text of that width and six sizes embedded in `each` numbers."""
    return {
        "addition_embed_type": "text_time",
        "addition_embed_type_num_heads": 64,
        "addition_time_embed_dim": each,
        "projection_class_embeddings_input_dim": pooled + 6 * each,
    }


SDXL_VAE = {"sample_size": 64, "scaling_factor": 0.13025, "force_upcast": True, "_diffusers_version": "0.20.0.dev0"}

# What CosmicMan-SD's published UNet config carries on top of the architecture.
EMA_KEYS = {
    "decay": 0.9999,
    "inv_gamma": 1.0,
    "min_decay": 0.0,
    "optimization_step": 100000,
    "power": 0.6666666666666666,
    "update_after_step": 0,
    "use_ema_warmup": False,
}

TABLE = {
    # Stable Diffusion 1.5 in small: one number for the heads, convolutions around the transformers, few config keys.
    "tiny-sd": sd(
        unet([32, 64, 128, 128], "CCCD", "UCCC", 8, 32),
        vae([32, 64, 64, 64]),
        text_encoder(32, 4, 3),
    ),
    # SDXL in small: two text encoders, head counts as a list, linear projections, added conditions.
    "tiny-sdxl": sdxl(
        unet(
            [32, 64, 128], "DCC", "CCU", [2, 4, 8], 96,
            transformer_layers_per_block=[1, 2, 3], use_linear_projection=True, upcast_attention=None,
            class_embed_type=None, num_class_embeds=None, resnet_time_scale_shift="default", time_embedding_type="positional",
            mid_block_type="UNetMidBlock2DCrossAttn", only_cross_attention=False, dual_cross_attention=False,
            num_attention_heads=None, **text_time(64, 8),
        ),
        vae([32, 64, 64, 64], **SDXL_VAE),
        text_encoder(32, 4, 3),
        text_encoder(64, 4, 3, "gelu", projection=64),
    ),
    # Stable Diffusion 2.1 in small: velocity, head counts as a list, linear projections, a deep text encoder with gelu.
    "tiny-sd2": sd(
        unet(
            [32, 64, 64, 64], "CCCD", "UCCC", [2, 4, 8, 8], 48,
            use_linear_projection=True, upcast_attention=True, dual_cross_attention=False, only_cross_attention=False,
            num_class_embeds=None,
        ),
        vae([32, 32, 64, 64], scaling_factor=0.18215),
        text_encoder(48, 4, 23, "gelu", projection_dim=32),
        {
            "_class_name": "DDIMScheduler", "_diffusers_version": "0.10.0.dev0", "beta_end": 0.012, "beta_schedule": "scaled_linear",
            "beta_start": 0.00085, "clip_sample": False, "num_train_timesteps": 1000, "prediction_type": "v_prediction",
            "set_alpha_to_one": False, "skip_prk_steps": True, "steps_offset": 1, "trained_betas": None,
        },
    ),
    # A published CosmicMan-SD's spelling (_New, EMA keys) around an uneven network: layers by block, plain blocks between crossed
    # ones, channels that shrink, heads that don't divide the channels, another group count.
    "odd-blocks": sd(
        unet(
            [48, 32, 80], "CDC", "CUC", [3, 4, 3], [40, 40, 40],
            suffix="_New", layers_per_block=[1, 2, 3], norm_num_groups=16, norm_eps=1e-06, mid_block_type="UNetMidBlock2DCrossAttn_New",
            transformer_layers_per_block=[2, 1, 1], sample_size=[8, 12], **EMA_KEYS,
        ),
        vae([32, 64, 64, 64]),
        text_encoder(40, 5, 2, eos_token_id=49407, bos_token_id=49406),
    ),
    # The rarer keys of the time embedding, the down-sampler and the middle, up blocks that don't mirror the down blocks, one layer.
    "odd-time": sd(
        unet(
            [32, 64, 64, 96], "DCCD", "CUCU", 4, 24,
            flip_sin_to_cos=False, freq_shift=1, downsample_padding=0, mid_block_scale_factor=1.4142135, layers_per_block=1,
            norm_num_groups=8, only_cross_attention=False, center_input_sample=True, conv_in_kernel=3, conv_out_kernel=3,
            act_fn="silu",
        ),
        vae([16, 32, 32, 48], norm_num_groups=8, layers_per_block=1),
        text_encoder(24, 3, 1),
    ),
    # Self-attention replaced by a second cross-attention in some blocks, as in the latent upscaler.
    "odd-cross": sd(
        unet(
            [32, 64], "CC", "CC", [4, 8], 32,
            only_cross_attention=[True, False], use_linear_projection=True, upcast_attention=True, layers_per_block=1,
        ),
        vae([32, 64, 64, 64], layers_per_block=1),
        text_encoder(32, 4, 2),
    ),
    # A VAE of factor 4 without attention.
    "odd-vae": sd(
        unet([32, 64, 64], "CCD", "UCC", 4, 32, layers_per_block=1, sample_size=16),
        vae([32, 48, 64], norm_num_groups=16, mid_block_add_attention=False, scaling_factor=0.5, sample_size=64),
        text_encoder(32, 4, 2),
    ),
    # A VAE of factor 2 with eight latent channels and neither of the 1x1 convolutions.
    "odd-vae8": sd(
        unet([32, 64, 64], "CCD", "UCC", 4, 32, layers_per_block=1, in_channels=8, out_channels=8, sample_size=16),
        vae(
            [32, 64], layers_per_block=1, latent_channels=8, use_quant_conv=False, use_post_quant_conv=False, scaling_factor=0.3,
            norm_num_groups=8, sample_size=32,
        ),
        text_encoder(32, 4, 2),
    ),
    # Velocity with zero terminal signal, trailing steps.
    "zero-snr": sd(
        unet([32, 64], "CD", "UC", 4, 32, layers_per_block=1, use_linear_projection=True),
        vae([32, 32, 64, 64], layers_per_block=1, scaling_factor=0.18215),
        text_encoder(32, 4, 2, "gelu"),
        {
            "_class_name": "DDIMScheduler", "_diffusers_version": "0.21.0", "beta_end": 0.012, "beta_schedule": "scaled_linear",
            "beta_start": 0.00085, "clip_sample": False, "num_train_timesteps": 1000, "prediction_type": "v_prediction",
            "rescale_betas_zero_snr": True, "set_alpha_to_one": False, "steps_offset": 1, "timestep_spacing": "trailing",
            "trained_betas": None,
        },
    ),
    # SDXL as distilled models cut it: transformer layers by layer and by direction, convolutions, the empty prompt not zeroed, the
    # activations of the text encoders exchanged, ends found by their id.
    "odd-xl": sdxl(
        unet(
            [32, 64, 64], "DCC", "CCU", [2, 4, 4], 72,
            transformer_layers_per_block=[1, [2, 1], [1, 3]], reverse_transformer_layers_per_block=[[3, 1, 2], [1, 2, 1], 1],
            use_linear_projection=False, **text_time(40, 12),
        ),
        vae([32, 64, 64, 64], **(SDXL_VAE | {"force_upcast": False, "layers_per_block": 1})),
        text_encoder(24, 3, 2, "gelu", eos_token_id=49407, bos_token_id=49406),
        text_encoder(48, 4, 4, "quick_gelu", projection=40, eos_token_id=49407, bos_token_id=49406),
        force_zeros=False,
    ),
    # SDXL with its latents' mean and deviation in the VAE's config, in place of a plain scale.
    "stats-xl": sdxl(
        unet([32, 64], "DC", "CU", [2, 4], 64, use_linear_projection=True, transformer_layers_per_block=[1, 2], **text_time(32, 8)),
        vae(
            [32, 64, 64, 64],
            **(SDXL_VAE | {
                "layers_per_block": 1, "scaling_factor": 0.5, "latents_mean": [-1.6574, 1.886, -1.383, 2.5155],
                "latents_std": [8.4927, 5.9022, 6.5498, 5.2299],
            }),
        ),
        text_encoder(32, 4, 2),
        text_encoder(32, 4, 2, "gelu", projection=32),
    ),
}

# Schedules written before two keys were fixed: the SD pipeline sets steps_offset to 1 and clip_sample to false where they are not,
# but a sampler made from that config afterwards takes its own default for a key that the file doesn't have.
_old = TABLE["zero-snr"] | {"unet": unet([32, 64], "CD", "UC", 4, 32, layers_per_block=1)}
_betas = {"_diffusers_version": "0.2.2", "beta_end": 0.012, "beta_schedule": "scaled_linear", "beta_start": 0.00085}
SCHEDULES = {
    "schedule-old": _old | {"scheduler": _betas | {"_class_name": "DDIMScheduler", "clip_sample": True, "steps_offset": 0}},
    "schedule-bare": _old | {"scheduler": _betas | {"_class_name": "DDIMScheduler", "set_alpha_to_one": False}},
}
NETWORKS = list(TABLE)
TABLE |= SCHEDULES

# Full-size shapes, for speed and memory; not part of testdata/zoo.
FULL = {
    "sd15": sd(
        unet([320, 640, 1280, 1280], "CCCD", "UCCC", 8, 768, sample_size=64),
        vae([128, 256, 512, 512], sample_size=512),
        text_encoder(768, 12, 12, intermediate_size=3072),
    ),
    "sdxl": sdxl(
        unet(
            [320, 640, 1280], "DCC", "CCU", [5, 10, 20], 2048, transformer_layers_per_block=[1, 2, 10], use_linear_projection=True,
            sample_size=128, **text_time(1280, 256),
        ),
        vae([128, 256, 512, 512], **(SDXL_VAE | {"sample_size": 1024})),
        text_encoder(768, 12, 12, intermediate_size=3072),
        text_encoder(1280, 20, 32, "gelu", projection=1280, intermediate_size=5120),
    ),
}


def files(entry):
    """The entry's JSON files: relative path -> value."""
    out = {"model_index.json": entry["index"]}
    for part in ("unet", "vae", "text_encoder", "text_encoder_2"):
        if part in entry:
            out[part + "/config.json"] = entry[part]
    out["scheduler/scheduler_config.json"] = entry["scheduler"]
    return out


def encode(value):
    return json.dumps(value, indent=2, sort_keys=True) + "\n"


def write(root=ZOO, table=None):
    for name, entry in (table or TABLE).items():
        for path, value in files(entry).items():
            path = root / name / path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(encode(value))


def config(name, part, root=ZOO):
    """The JSON config of a part as it is published."""
    if name in FULL:
        return copy.deepcopy(FULL[name][part])
    leaf = "scheduler_config.json" if part == "scheduler" else "config.json"
    return json.loads((root / name / part / leaf).read_text())


def index(name, root=ZOO):
    return copy.deepcopy(FULL[name]["index"]) if name in FULL else json.loads((root / name / "model_index.json").read_text())


def canonical(part, key):
    """The checkpoint key that Go knows: text encoders are always spelled with the text_model. prefix."""
    if part.startswith("text_encoder") and not key.startswith(("text_model.", "text_projection.")):
        return "text_model." + key
    return key


def seed_of(text):
    return zlib.crc32(text.encode())


def randn(shape, text):
    """torch.randn from the generator that the text names."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed_of(text)), dtype=torch.float32)


def weight(part, name, shape, seed=0):
    """The numbers of one tensor, which follow from the seed, the part and the tensor's name.

    Norm scales lie near 1, biases near 0, embeddings at half a unit; the rest keeps the variance of what flows through, so that
    random networks of any depth still answer to all of their inputs.
    """
    r = randn(tuple(shape), f"{seed}/{part}/{name}")
    if name.endswith(".weight") and len(shape) == 1:
        return r.mul_(0.1).add_(1)
    if name.endswith(".bias"):
        return r.mul_(0.05)
    if "_embedding.weight" in name:
        return r.mul_(0.5)
    return r.mul_(torch.tensor(1 / math.sqrt(math.prod(shape[1:])), dtype=torch.float32))


def weights(module):
    """The tensors of a module that a checkpoint holds: key -> tensor."""
    return {k: v for k, v in module.state_dict(keep_vars=True).items() if not k.endswith("position_ids")}


@torch.no_grad()
def fill(module, part, seed=0):
    for key, tensor in weights(module).items():
        tensor.copy_(weight(part, canonical(part, key), tensor.shape, seed))
    return module.eval()


def strip_new(value):
    """CosmicMan's configs spell the stock classes with _New at the end."""
    if isinstance(value, str):
        return re.sub("_New$", "", value)
    if isinstance(value, list):
        return [strip_new(v) for v in value]
    return value


def build(part, config):
    """The part as diffusers or transformers makes it, unfilled."""
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    config = {k: strip_new(v) for k, v in config.items() if k not in EMA_KEYS}
    if part == "unet":
        return UNet2DConditionModel.from_config(config)
    if part == "vae":
        return AutoencoderKL.from_config(config)
    kind = CLIPTextModelWithProjection if part == "text_encoder_2" else CLIPTextModel
    return kind(CLIPTextConfig(**{k: v for k, v in config.items() if k not in ("architectures", "model_type", "torch_dtype")}))


def load(name, part, seed=0, root=ZOO):
    """One part of an entry with its weights filled."""
    return fill(build(part, config(name, part, root)), part, seed)


def parts(name):
    return [p for p in ("text_encoder", "text_encoder_2", "unet", "vae") if p in index(name)]


def scheduler(name):
    import diffusers

    config_ = config(name, "scheduler")
    return getattr(diffusers, config_["_class_name"]).from_config(config_)


@functools.cache
def vocabulary():
    """CLIP's vocabulary (word -> id) and merges, from the list that open_clip ships."""
    import gzip

    import open_clip

    path = pathlib.Path(open_clip.__file__).parent / "bpe_simple_vocab_16e6.txt.gz"
    lines = gzip.open(path).read().decode().split("\n")
    merges = [tuple(line.split()) for line in lines[1 : 49152 - 256 - 2 + 1]]
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    symbols = [chr(b) for b in printable] + [chr(256 + i) for i in range(256 - len(printable))]
    words = symbols + [s + "</w>" for s in symbols] + ["".join(m) for m in merges] + ["<|startoftext|>", "<|endoftext|>"]
    return {w: i for i, w in enumerate(words)}, merges


def tokenizer(pad="<|endoftext|>"):
    from transformers import CLIPTokenizer

    vocab, merges = vocabulary()
    return CLIPTokenizer(vocab=dict(vocab), merges=list(merges), pad_token=pad, model_max_length=77)


def pad_tokens(name):
    """The padding token of each tokenizer of an entry: SDXL's second one and Stable Diffusion 2's pad with "!"."""
    if "text_encoder_2" in index(name):
        return {"tokenizer": "<|endoftext|>", "tokenizer_2": "!"}
    return {"tokenizer": "!" if name == "tiny-sd2" else "<|endoftext|>"}


def pipeline(name, seed=0):
    """The whole pipeline, fp32 on the CPU."""
    import diffusers

    made = {p: load(name, p, seed) for p in parts(name)}
    made["scheduler"] = scheduler(name)
    made |= {k: tokenizer(v) for k, v in pad_tokens(name).items()}
    about = index(name)
    if about["_class_name"] == "StableDiffusionXLPipeline":
        pipe = diffusers.StableDiffusionXLPipeline(
            **made, force_zeros_for_empty_prompt=about["force_zeros_for_empty_prompt"], add_watermarker=False)
    else:
        pipe = diffusers.StableDiffusionPipeline(
            **made, safety_checker=None, feature_extractor=None, requires_safety_checker=False)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def versions():
    import diffusers
    import transformers

    return {"diffusers": diffusers.__version__, "torch": torch.__version__.split("+")[0], "transformers": transformers.__version__}


@torch.inference_mode()
def contrast(name):
    """How much an entry's outputs vary and how much the prompt matters: the numbers that make a comparison worth something."""
    text = {}
    for part in parts(name):
        if part.startswith("text_encoder"):
            ids = torch.tensor(tokenizer()(["a tall woman, red coat", "city at night"], padding="max_length", max_length=77).input_ids)
            text[part] = load(name, part)(ids, output_hidden_states=True)
    net = load(name, "unet")
    if "text_encoder_2" in text:
        states = torch.cat([text["text_encoder"].hidden_states[-2], text["text_encoder_2"].hidden_states[-2]], -1)
        size = net.config.sample_size * 8
        added = {"text_embeds": text["text_encoder_2"].text_embeds, "time_ids": torch.tensor([[size, size, 0, 0, size, size]] * 2)}
    else:
        states, added = text["text_encoder"].last_hidden_state, None
    x = randn((1, net.config.in_channels, 16, 16), "contrast").repeat(2, 1, 1, 1)
    a = net(x, 500, states, added_cond_kwargs=added).sample
    early = net(x, 20, states, added_cond_kwargs=added).sample
    # The prompt's way through cross-attention alone: the added conditions stay those of the first prompt.
    only = {k: v[:1].repeat(2, *[1] * (v.dim() - 1)) for k, v in added.items()} if added else None
    b = net(x, 500, states, added_cond_kwargs=only).sample
    ae = load(name, "vae")
    image = ae.decode(x[:1] * 4).sample
    ratio = lambda p, q: float((p - q).norm() / q.norm())
    return {
        "eps_std": float(a.std()), "prompt": ratio(a[1], a[0]), "cross": ratio(b[1], b[0]), "time": ratio(early, a),
        "vae_std": float(image.std()), "text_std": float(states.std()), "text_differs": ratio(states[1], states[0]),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    args = parser.parse_args()
    if not args.check:
        write()
        return
    torch.set_num_threads(1)
    for name, entry in TABLE.items():
        for path, value in files(entry).items():
            if (ZOO / name / path).read_text() != encode(value):
                sys.exit(f"{name}/{path} differs from the table: run python3 oracle/zoo.py")
        print(name.ljust(12), "  ".join(f"{k} {v:.3f}" for k, v in contrast(name).items()))


if __name__ == "__main__":
    main()
