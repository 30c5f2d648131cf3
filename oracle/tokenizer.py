"""CLIP tokenization: the tables that package tokenizer is built from, and what transformers' CLIPTokenizer makes of many texts.

Everything is measured on the CLIPTokenizer and its `tokenizers` library, nothing is taken from Python's own Unicode tables.

    python3 oracle/tokenizer.py            # write all of the files below
    python3 oracle/tokenizer.py --block 3  # print what the sweep has for code points 0x300-0x3FF, to compare with a failing test

    tokenizer/tables.go            character classes, lower case and canonical (de)composition
    tokenizer/clip_merges.txt.gz   CLIP's merges, from which its vocabulary follows
    tokenizer/testdata/            fixtures, see the writers below
"""

import argparse
import functools
import gzip
import itertools
import json
import os
import pathlib
import random
import shutil
import struct
import tempfile
import zlib

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import tokenizers
import transformers
from tokenizers import Regex, normalizers
from transformers import CLIPTokenizer

ROOT = pathlib.Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "tokenizer"
TESTDATA = PACKAGE / "testdata"
VERSIONS = {"transformers": transformers.__version__, "tokenizers": tokenizers.__version__}

START, END = "<|startoftext|>", "<|endoftext|>"
CODE_POINTS = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]


# The vocabulary and the tokenizers.


@functools.cache
def merges():
    """CLIP's merges in order: the first 49152 - 256 - 2 of the list that open_clip ships."""
    import open_clip

    path = pathlib.Path(open_clip.__file__).parent / "bpe_simple_vocab_16e6.txt.gz"
    return gzip.open(path).read().decode().split("\n")[1 : 49152 - 256 - 2 + 1]


def alphabet():
    """The characters that stand for the 256 bytes, in the order of their ids."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    return [chr(b) for b in printable] + [chr(256 + i) for i in range(256 - len(printable))]


def vocabulary(lines):
    words = alphabet() + [c + "</w>" for c in alphabet()] + [m.replace(" ", "") for m in lines] + [START, END]
    return {w: i for i, w in enumerate(words)}


def added(content, normalized, **more):
    return {"content": content, "lstrip": False, "normalized": normalized, "rstrip": False, "single_word": False, **more}


def published(pad):
    """The two JSON files of a tokenizer folder as the base models publish them."""
    known = {START: True, END: pad != END}
    decoder = {"0": added("!", False, special=True)} if pad == "!" else {}
    decoder |= {str(49406 + i): added(t, n, special=True) for i, (t, n) in enumerate(known.items())}
    names = {"bos_token": START, "eos_token": END, "pad_token": pad, "unk_token": END}
    config = {"add_prefix_space": False, "added_tokens_decoder": decoder, "clean_up_tokenization_spaces": True,
              "do_lower_case": True, "errors": "replace", "model_max_length": 77, "tokenizer_class": "CLIPTokenizer", **names}
    return config, names


def write_json(path, value):
    path.write_text(json.dumps(value, ensure_ascii=False, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def write_vocabulary(folder, lines):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps(vocabulary(lines), ensure_ascii=False), encoding="utf-8")
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(lines) + "\n", encoding="utf-8")


@functools.cache
def vocabulary_folder():
    folder = pathlib.Path(tempfile.mkdtemp())
    write_vocabulary(folder, merges())
    return folder


def load(files):
    """The tokenizer of a folder with CLIP's vocabulary and these files (name -> JSON value)."""
    with tempfile.TemporaryDirectory() as d:
        folder = pathlib.Path(d)
        for name in ("vocab.json", "merges.txt"):
            shutil.copy(vocabulary_folder() / name, folder / name)
        for name, value in files.items():
            write_json(folder / name, value)
        return CLIPTokenizer.from_pretrained(folder)


@functools.cache
def three():
    """The tokenizers that every text is run through: as published with either padding token, and as the class makes it."""
    made = {}
    for name, pad in (("clip", END), ("clip-pad0", "!")):
        config, names = published(pad)
        made[name] = load({"tokenizer_config.json": config, "special_tokens_map.json": names})
    made["bare"] = CLIPTokenizer(vocab=vocabulary(merges()), merges=[tuple(m.split(" ")) for m in merges()], model_max_length=77)
    return made


def encode(tok, text):
    """The ids of the text alone; checks that the padded and truncated call is made of them."""
    ids = tok(text, add_special_tokens=False)["input_ids"]
    n = tok.model_max_length
    padded = [tok.bos_token_id, *ids[: n - 2], tok.eos_token_id]
    padded += [tok.pad_token_id] * (n - len(padded))
    if tok(text, padding="max_length", max_length=n, truncation=True)["input_ids"] != padded:
        raise SystemExit(f"the padded ids of {text!r} are not begin, text, end, padding")
    return ids


# tables.go


def ranges(points):
    out = []
    for c in sorted(points):
        if out and out[-1][1] == c - 1:
            out[-1][1] = c
        else:
            out.append([c, c])
    return out


def strided(points):
    """Runs (lo, hi, stride) with stride 1 or 2 that cover the sorted points."""
    out, points = [], sorted(points)
    i = 0
    while i < len(points):
        best = i
        for stride in (1, 2):
            j = i
            while j + 1 < len(points) and points[j + 1] == points[j] + stride:
                j += 1
            if j > best:
                best, step = j, stride
        out.append((points[i], points[best], step if best > i else 1))
        i = best + 1
    return out


def members(pattern):
    remove = normalizers.Replace(Regex(pattern), "")
    return {c for c in CODE_POINTS if remove.normalize_str(chr(c)) == ""}


def combining_classes(nfd):
    """Canonical combining classes up to order: found from which of two marks the normalizer puts first."""

    def before(a, b):
        return nfd(chr(b) + chr(a)) == chr(a) + chr(b) != chr(b) + chr(a)

    # 0x334 has class 1 and 0x345 the largest, 240: a mark of class k moves before the second or behind the first.
    marks = [c for c in CODE_POINTS if nfd(chr(c)) == chr(c) and (before(c, 0x345) or before(0x334, c))]
    order = sorted(marks, key=functools.cmp_to_key(lambda a, b: before(b, a) - before(a, b)))
    classes, k = {}, 0
    for prev, c in zip([None, *order], order):
        if prev is None or before(prev, c):
            k += 1
        classes[c] = k
    return classes


def rows(items, width=132):
    lines, line = [], ""
    for item in items:
        if line and len(line) + len(item) + 1 > width:
            lines.append(line)
            line = ""
        line += (" " if line else "") + item
    return "\n".join("\t" + line for line in lines + [line])


def quoted(s):
    return '"' + "".join(chr(ord(c)) if 0x20 < ord(c) < 0x7F else f"\\u{ord(c):04x}" if ord(c) < 0x10000 else f"\\U{ord(c):08x}" for c in s) + '"'


def write_tables():
    nfd, nfc = normalizers.NFD().normalize_str, normalizers.NFC().normalize_str
    lower = normalizers.Lowercase().normalize_str

    letters, numbers, spaces = members(r"\p{L}"), members(r"\p{N}"), members(r"\s")
    assert members(r"[^\s\p{L}\p{N}]") == set(CODE_POINTS) - letters - numbers - spaces

    deltas, longer = {}, {}
    for c in CODE_POINTS:
        s = lower(chr(c))
        if len(s) != 1:
            longer[c] = s
        elif s != chr(c):
            deltas.setdefault(ord(s) - c, []).append(c)
    assert longer == {0x130: "i\u0307"}, longer
    lowered = sorted((*run, delta) for delta, points in deltas.items() for run in strided(points))

    assert all(a[1] < b[0] for a, b in itertools.pairwise(lowered))

    hangul = range(0xAC00, 0xD7A4)
    decomposed = {c: nfd(chr(c)) for c in CODE_POINTS if c not in hangul and nfd(chr(c)) != chr(c)}
    composed = {}
    for c, s in decomposed.items():
        if nfc(chr(c)) == chr(c):
            first = nfc(s[:-1])
            assert len(first) == 1 and nfc(first + s[-1]) == chr(c), hex(c)
            composed[ord(first), ord(s[-1])] = c
    for c in hangul:
        s, t = c - 0xAC00, (c - 0xAC00) % 28
        jamo = chr(0x1100 + s // 588) + chr(0x1161 + s % 588 // 28) + (chr(0x11A7 + t) if t else "")
        assert nfd(chr(c)) == jamo and nfc(jamo) == chr(c), hex(c)

    classes = combining_classes(nfd)
    by_class = {}
    for c, k in classes.items():
        by_class.setdefault(k, set()).add(c)
    marks = sorted((lo, hi, k) for k, points in by_class.items() for lo, hi in ranges(points))

    def range_table(name, doc, points):
        runs = ranges(points)
        latin = sum(hi <= 0xFF for _, hi in runs)
        split = sum(hi <= 0xFFFF for _, hi in runs)
        r16 = rows(f"{{{lo:#x}, {hi:#x}, 1}}," for lo, hi in runs[:split])
        r32 = rows(f"{{{lo:#x}, {hi:#x}, 1}}," for lo, hi in runs[split:]) if runs[split:] else ""
        indent = lambda s: s.replace("\t", "\t\t")
        r32 = f"\tR32: []unicode.Range32{{\n{indent(r32)}\n\t}},\n" if r32 else ""
        body = f"\tR16: []unicode.Range16{{\n{indent(r16)}\n\t}},\n{r32}\tLatinOffset: {latin},\n"
        return f"// {name} is {doc}\nvar {name} = &unicode.RangeTable{{\n{body}}}\n"

    parts = [
        "// Code generated by oracle/tokenizer.py; DO NOT EDIT.\n",
        f"// Measured on tokenizers {VERSIONS['tokenizers']}, whose parts follow different versions of Unicode.\n",
        'package tokenizer\n\nimport "unicode"\n',
        range_table("letters", r"what \p{L} matches.", letters),
        range_table("numbers", r"what \p{N} matches.", numbers),
        range_table("spaces", r"what \s matches.", spaces),
        "// lowered holds every character with a lower case of one character. U+0130 has one of two.\n"
        "var lowered = []lowerRange{\n" + rows(f"{{{lo:#x}, {hi:#x}, {step}, {delta}}}," for lo, hi, step, delta in lowered) + "\n}\n",
        "// marks holds the characters that canonical ordering moves, with numbers that rank like their combining classes.\n"
        "var marks = []markRange{\n" + rows(f"{{{lo:#x}, {hi:#x}, {k}}}," for lo, hi, k in marks) + "\n}\n",
        "// decompositions holds the full canonical decompositions, sorted; Hangul syllables follow a rule.\n"
        "var decompositions = []decomposition{\n" + rows(f"{{{c:#x}, {quoted(s)}}}," for c, s in sorted(decomposed.items())) + "\n}\n",
        "// compositions holds the pairs that compose, sorted; Hangul syllables follow a rule.\n"
        "var compositions = []composition{\n" + rows(f"{{{a:#x}, {b:#x}, {c:#x}}}," for (a, b), c in sorted(composed.items())) + "\n}\n",
    ]
    (PACKAGE / "tables.go").write_text("\n".join(parts), encoding="utf-8")


def write_merges():
    text = ("\n".join(merges()) + "\n").encode()
    (PACKAGE / "clip_merges.txt.gz").write_bytes(gzip.compress(text, 9, mtime=0))
