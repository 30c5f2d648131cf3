"""Losses and gradients of what is trained from nothing, by PyTorch: what package train's learners are compared with.

Writes train/testdata/learners.json: autoencoders (reconstruction and divergence, diffusers' AutoencoderKL), text encoders with a head that
names the words of each phrase (transformers' CLIPTextModel), and UNets with their text encoders, of which the gradients by the text
encoders' weights are listed. Gradients are as gradients.py has them, in float64: their norms, and products with DIRECTIONS directions of noise.

    python3 oracle/learners.py
"""

import json
import warnings

import torch
import torch.nn.functional as F

import gradients
import networks
import zoo

OUT = zoo.ROOT / "train" / "testdata" / "learners.json"
DIRECTIONS = 4


def number(v):
    return float(f"{float(v):.9g}")


def listed(case, named):
    """The gradients of a case, and the norm of them all."""
    total = sum(float(g.norm()) ** 2 for g in named.values()) ** 0.5
    case["norm"] = total
    case["gradients"] = {
        k: [number(g.norm()), *(number((gradients.direction(case["name"], k, i, g.shape).double() * g).sum()) for i in range(DIRECTIONS))]
        for k, g in named.items()
    }
    return case


def grads(module, part, prefix=""):
    return {prefix + zoo.canonical(part, k): p.grad.double() for k, p in module.named_parameters() if p.grad is not None}


# Model, distance, weight of the divergence, image height and width, areas, and channels whose log-variance is moved.
VAES = [
    ("odd-vae", "l1", 1e-3, (12, 20), True, 0.0),
    ("odd-vae", "mse", 1e-2, (16, 8), False, -40.0),  # beyond the clamp: no gradient
    ("tiny-sd", "mse", 1e-6, (16, 24), True, 0.0),
]


def vae(row):
    model, distance, kl, (height, width), weighted, shift = row
    name = f"vae/{model}/{distance}"
    module = zoo.load(model, "vae").double()
    channels, factor = module.config.latent_channels, 2 ** (len(module.config.block_out_channels) - 1)
    if shift:
        with torch.no_grad():
            module.quant_conv.bias[channels] += shift
    rows = 2
    case = {"name": name, "model": model, "distance": distance, "kl_weight": kl, "height": height, "width": width, "rows": rows, "shift": shift}
    case["image"] = gradients.spec(name, "image", rows, 3, height, width)
    case["noise"] = gradients.spec(name, "noise", rows, channels, height // factor, width // factor)
    image, noise = (networks.tensor(case[k]).double() for k in ("image", "noise"))
    areas = torch.ones(rows, 1, height, width, dtype=torch.float64)
    if weighted:
        case["areas"] = gradients.spec(name, "areas", rows, height, width)
        areas = networks.tensor(case["areas"]).double().square()[:, None]
    posterior = module.encode(image).latent_dist
    back = module.decode(posterior.mean + posterior.std * noise).sample
    off = (back - image).abs() if distance == "l1" else (back - image) ** 2
    reconstruction, divergence = (off * areas).mean(), posterior.kl().mean()
    loss = reconstruction + kl * divergence
    loss.backward()
    case |= {"loss": loss.item(), "reconstruction": reconstruction.item(), "kl": divergence.item()}
    return listed(case, grads(module, "vae"))


def words(model, rows, tokens, count):
    name = f"words/{model}"
    module = zoo.load(model, "text_encoder").double()
    width = module.config.hidden_size
    g = torch.Generator().manual_seed(zoo.seed_of(name))
    ids = torch.randint(1000, 1040, (rows, tokens), generator=g)
    ids[:, 0] = 49406
    targets = torch.rand(rows, tokens, count, generator=g) < 0.3
    counts = torch.rand(rows, tokens, generator=g) < 0.7
    case = {"name": name, "model": model, "rows": rows, "tokens": tokens, "words": count, "ids": ids.tolist()}
    case |= {"targets": targets.int().flatten().tolist(), "counts": counts.int().flatten().tolist()}
    case["head"] = gradients.spec(name, "head", count, width)
    head = (networks.tensor(case["head"]).double() / width**0.5).requires_grad_()
    bias = torch.zeros(count, dtype=torch.float64, requires_grad=True)
    logits = module(ids).last_hidden_state @ head.T + bias
    each = F.binary_cross_entropy_with_logits(logits, targets.double(), reduction="none").sum(-1)
    loss = each[counts].mean()
    loss.backward()
    right = ((logits > 0) == targets).all(-1)
    case |= {"loss": loss.item(), "right": right[counts].double().mean().item()}
    named = grads(module, "text_encoder") | {"head.weight": head.grad, "head.bias": bias.grad}
    table = named["text_model.embeddings.token_embedding.weight"]
    assert table[:1000].abs().max() == 0  # only rows of tokens that occur have a gradient
    used = sorted(set(ids.flatten().tolist()))
    named["text_model.embeddings.token_embedding.weight"] = table[used]
    case["used"] = used
    return listed(case, named)


def joint(model, height, width):
    name = f"joint/{model}"
    unet = zoo.load(model, "unet").double()
    texts = {p: zoo.load(model, p).double() for p in zoo.parts(model) if p.startswith("text_encoder")}
    rows, timesteps = 2, [40, 700]
    g = torch.Generator().manual_seed(zoo.seed_of(name))
    ids = torch.randint(1000, 40000, (rows, 77), generator=g)
    for row in range(rows):
        ids[row, 0], ids[row, 20 + 9 * row :] = 49406, 49407
    case = {"name": name, "model": model, "height": height, "width": width, "timesteps": timesteps, "ids": ids.tolist()}
    for k in ("latents", "noise"):
        case[k] = gradients.spec(name, k, rows, unet.config.in_channels, height, width)
    latents, noise = (networks.tensor(case[k]).double() for k in ("latents", "noise"))
    made = {p: m(ids, output_hidden_states=True) for p, m in texts.items()}
    added = None
    if len(texts) == 2:
        states = torch.cat([y.hidden_states[-2] for y in made.values()], -1)
        case["time_ids"] = networks.TIME_IDS[:rows]
        added = {"text_embeds": made["text_encoder_2"].text_embeds, "time_ids": torch.tensor(case["time_ids"], dtype=torch.float64)}
    else:
        states = made["text_encoder"].last_hidden_state
    alphas = zoo.scheduler(model).alphas_cumprod.double()[timesteps].reshape(-1, 1, 1, 1)
    noisy = alphas.sqrt() * latents + (1 - alphas).sqrt() * noise
    out = unet(noisy, torch.tensor(timesteps, dtype=torch.float32), states, added_cond_kwargs=added).sample
    loss = F.mse_loss(out, noise)
    loss.backward()
    case["loss"] = loss.item()
    named = {}
    for p, m in texts.items():
        named |= grads(m, p, p + ".")
    for p in texts:
        table = p + ".text_model.embeddings.token_embedding.weight"
        used = sorted(set(ids.flatten().tolist()))
        named[table] = named[table][used]
    case["used"] = used
    return listed(case, named)


def main():
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore")
    kinds = {
        "vaes": [vae(row) for row in VAES],
        "words": [words("odd-vae", 3, 11, 9)],
        "joint": [joint("odd-vae", 5, 4), joint("odd-xl", 4, 6)],
    }
    blocks = []
    for kind, cases in kinds.items():
        rows = []
        for case in cases:
            print(f"{case['name']}: loss {case['loss']:.6g}, {len(case['gradients'])} gradients", flush=True)
            lines = ",\n".join(f"      {json.dumps(k)}: {json.dumps(v)}" for k, v in case.pop("gradients").items())
            rows.append("    " + json.dumps(case)[:-1] + ', "gradients": {\n' + lines + "\n    }}")
        blocks.append(f'  "{kind}": [\n' + ",\n".join(rows) + "\n  ]")
    text = f'{{\n  "versions": {json.dumps(zoo.versions())},\n' + ",\n".join(blocks) + "\n}\n"
    json.loads(text)
    OUT.write_text(text)


if __name__ == "__main__":
    main()
