"""Reference images of long and weighted prompts: the windows' hidden states made here with torch and given to diffusers as embeddings.

Writes inference/testdata/windows/<entry>.json, the cases, and <entry>.safetensors beside it with <case>/latents float32 [1, 4, h, w].

    python3 oracle/windows.py

A case says what the text is (prompt, negative_prompt, prompt_syntax) and what its windows must be: lists of [text, weight]. Each window is
encoded by itself, its states are multiplied by the weights of its tokens and brought back to their mean, as AUTOMATIC1111's web UI does
(modules/sd_hijack_clip.py, modules/sd_emphasis.py, "Original"), and the windows are put one after the other. The pooled embedding is the
first window's. The shorter of prompt and negative prompt is filled up with empty windows.
"""

import json

import torch
from safetensors.torch import save_file

import zoo

OUT = zoo.ROOT / "inference" / "testdata" / "windows"

SHIRTS = ", ".join(f"{color} cotton shirt" for color in ["red", "blue", "green", "white", "black"] * 6)


def case(name, prompt, windows, negative=None, negative_windows=None, syntax="plain", **extra):
    return {
        "name": name, "prompt": prompt, "negative_prompt": negative, "prompt_syntax": syntax, "windows": windows,
        "negative_windows": negative_windows or [[["", 1.0]]], "steps": 3, "guidance_scale": 5.0, "seed": 17, "width": 64, "height": 72} | extra


def cases(tokenizer):
    first, second = cut(tokenizer, SHIRTS)
    return [
        case("two", SHIRTS, [[[first, 1.0]], [[second, 1.0]]]),
        case("negative", "a headshot", [[["a headshot", 1.0]]], SHIRTS, [[[first, 1.0]], [[second, 1.0]]]),
        case("both", SHIRTS, [[[first, 1.0]], [[second, 1.0]]], "blurry", [[["blurry", 1.0]]]),
        case("weighted", "a (red dress:1.4) on \\(a\\) [beach]", [[["a ", 1.0], ["red dress", 1.4], [" on (a) ", 1.0], ["beach", 1 / 1.1]]],
             "(blurry), bad", [[["blurry", 1.1], [", bad", 1.0]]], "weighted"),
        case("weighted-two", f"({SHIRTS}:1.2), (hat)", [[[first, 1.2]], [[second, 1.2], [", ", 1.0], ["hat", 1.1]]], "", None, "weighted"),
    ]


def cut(tokenizer, text):
    """Cut behind the last comma that leaves at most 75 tokens."""
    best = max(i + 1 for i, c in enumerate(text) if c == "," and len(tokenizer(text[: i + 1]).input_ids) <= 77)
    return text[:best], text[best:]


def states(pipe, windows, count):
    """[1, count * 77, width] and the first window's pooled embedding."""
    both = [(pipe.tokenizer, pipe.text_encoder), (getattr(pipe, "tokenizer_2", None), getattr(pipe, "text_encoder_2", None))]
    parts, pooled = [], None
    for tokenizer, encoder in [b for b in both if b[0] is not None]:
        out = []
        for w in windows + [[["", 1.0]]] * (count - len(windows)):
            ids, weights = [tokenizer.bos_token_id], [1.0]
            for text, weight in w:
                some = tokenizer(text, add_special_tokens=False).input_ids
                ids += some
                weights += [weight] * len(some)
            ids.append(tokenizer.eos_token_id)
            assert len(ids) <= 77, len(ids)
            ids += [tokenizer.pad_token_id] * (77 - len(ids))
            weights += [1.0] * (77 - len(weights))
            result = encoder(torch.tensor([ids]), output_hidden_states=True)
            if both[1][0] is None:
                z = result.last_hidden_state
            else:
                z = result.hidden_states[-2]
                if pooled is None and tokenizer is both[1][0]:
                    pooled = result[0]
            before = z.double().mean()  # near zero, where float32 has few digits left
            z = z * torch.tensor(weights).reshape(1, 77, 1)
            out.append(z * (before / z.double().mean()).float())
        parts.append(torch.hstack(out))
    return torch.cat(parts, dim=-1), pooled


def write(name):
    pipe = zoo.pipeline(name)
    kept, listed = {}, cases(pipe.tokenizer)
    for c in listed:
        windows, negative = c.pop("windows"), c.pop("negative_windows")
        count = max(len(windows), len(negative))
        embeds = {}
        with torch.no_grad():
            embeds["prompt_embeds"], pooled = states(pipe, windows, count)
            embeds["negative_prompt_embeds"], negative_pooled = states(pipe, negative, count)
        if pooled is not None:
            if c["negative_prompt"] is None and pipe.config.force_zeros_for_empty_prompt:
                embeds["negative_prompt_embeds"].zero_()
                negative_pooled.zero_()
            embeds |= {"pooled_prompt_embeds": pooled, "negative_pooled_prompt_embeds": negative_pooled}
        pipe.scheduler = __import__("diffusers").DDIMScheduler.from_config(pipe.scheduler.config)
        kept[c["name"] + "/latents"] = pipe(
            **embeds, height=c["height"], width=c["width"], num_inference_steps=c["steps"], guidance_scale=c["guidance_scale"],
            generator=torch.Generator().manual_seed(c["seed"]), output_type="latent").images.contiguous()
        c["window_count"] = len(windows)
    OUT.mkdir(parents=True, exist_ok=True)
    save_file(kept, OUT / f"{name}.safetensors")
    about = {"model": name, "versions": zoo.versions(), "cases": listed}
    (OUT / f"{name}.json").write_text(json.dumps(about, indent=1, ensure_ascii=False) + "\n")
    print(f"{name}: {len(listed)} cases")


if __name__ == "__main__":
    torch.set_num_threads(1)
    for entry in ("tiny-sd", "tiny-sdxl"):
        write(entry)
