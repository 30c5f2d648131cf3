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


def load(lines, files):
    """The tokenizer of a folder with the vocabulary of these merges and these files (name -> JSON value)."""
    with tempfile.TemporaryDirectory() as d:
        folder = pathlib.Path(d)
        write_vocabulary(folder, lines)
        for name, value in files.items():
            write_json(folder / name, value)
        return CLIPTokenizer.from_pretrained(folder)


@functools.cache
def three():
    """The tokenizers that every text is run through: as published with either padding token, and as the class makes it."""
    made = {}
    for name, pad in (("clip", END), ("clip-pad0", "!")):
        config, names = published(pad)
        made[name] = load(merges(), {"tokenizer_config.json": config, "special_tokens_map.json": names})
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


# texts.json: texts and their ids

SCRIPTS = """
Une femme élégante près de la mer, cheveux bouclés | Ein großes Straßenschild, ÄÖÜ äöü ẞ | El niño comió piñata; ¿qué? ¡Sí! | Zażółć gęślą jaźń
Příliš žluťoučký kůň | İstanbul'da IĞDIR ığdır | Ελληνική γυναίκα ΜΕ ΣΙΓΜΑΣ τελικός ΟΔΟΣ | Женщина в красном пальто, ночь | Дівчина з їжаком ґанок
نص عربي مع تشكيل: مَرْحَبًا بِكَ | امرأة ترتدي فستاناً أحمر ١٢٣ | אישה בשמלה אדומה שָׁלוֹם | زن با لباس قرمز ۴۵۶ می‌خواهم | ایک خاتون
लाल साड़ी में एक महिला १२३ क़ ड़ | শাড়ি পরা মহিলা ো ৌ | ਲਾਲ ਕੱਪੜੇ | લાલ સાડી | சிவப்பு புடவை அணிந்த பெண் ொ | ఎర్ర చీర | ಕೆಂಪು ಸೀರೆ ೋ | ചുവന്ന സാരി ൊ | රතු සාරිය ෝ
ผู้หญิงใส่ชุดสีแดง ๑๒๓ | ແມ່ຍິງ | မိန်းမတစ်ယောက် | ស្ត្រី | བུད་མེད ཀྵ | ᠮᠣᠩᠭᠣᠯ | አንዲት ሴት | ქალი წითელ კაბაში ᲥᲐᲚᲘ | կին կարմիր ԿԻՆ և | ᏣᎳᎩ ꮳꮃꭹ
一位穿红色连衣裙的女人，全身照 | 赤いドレスを着た女性、がぎぐげご ｶﾞｷﾞ | 빨간 드레스를 입은 여자 각 각 | 穿旗袍的女子：「你好」。 | Ａ ｆｕｌｌｗｉｄｔｈ ＴＥＸＴ １２３ | 豈更車 凞
𝓐 𝔟𝕠𝕝𝕕 𝟙𝟚𝟛 𝐌𝐚𝐭𝐡 | 𐐀𐐨 𐒰𐓘 𞤀𞤢 𖹀𖹠 𑢠𑣀 | Ω Å K Å | ﬁ ﬂ ﬀ ǅ ǆ Ǆ | ⅣⅤ ⅳ ① ⑩ ½ ² ₃ | ḍ̇ q̣̇ ǭ ṩ ṩ ṩ ṩ | Ϊ́ ΐ ΰ ΰ
"""

PROMPTS = [
    "a photo of an astronaut riding a horse on mars",
    "A full-body shot, an Asian adult female, fit, small road with trees, straight red above-chest hair, normal-length, white and long "
    "sleeve cotton shirt, short plaid skirt in pleated shape, cotton backpack, socks, black leather oxford shoes.",
    "A close up portrait shot, an adult Indian female, fit, a beige wall, above chest brown bun hair, short sleeve saree",
    "(masterpiece:1.2), best quality, 8k uhd, dslr, [soft lighting], high quality, film grain, Fujifilm XT3",
    "worst quality, low-quality, jpeg artifacts!!! ugly, duplicate, mutilated???",
    "don't can't it's we're they've I'm you'll he'd she'S IT'S 'tis 'twas rock'n'roll o'clock ''s '' ' \"quoted\"",
    "it’s she’d ‘single’ “double” … – — ‽",
    "1girl 2boys 1990s 3.14159 1,000,000 50mm f/1.8 24-70mm 4K 16:9 #42 №7",
    "e-mail: a.b@example.com http://example.com/x?y=1&z=2 C:\\path\\file_name.txt",
    "&amp; &lt;b&gt; &#39; <br/> &nbsp; &eacute;",
    "snake_case camelCase SCREAMING_CASE kebab-case",
]

SPECIAL = [
    START, END, START + END, END * 3, f"a{START}b{END}c", f"a {START} b {END} c", START.upper(), END.upper(), "<|StartOfText|>", "<|EndOfText|>x",
    "<|startoftext|", "<|endoftext", "|endoftext|>", "<endoftext>", "< |endoftext| >", "<|endoftext|><|", "!<|startoftext|>", "!" + START.upper(),
    "<|<|endoftext|>|>", "<|endof<|endoftext|>text|>", f"{END}\u0301", f"e{END}\u0301", f"\u0301{START}\u0301e", "<|ſtartoftext|>", "<|endofteXt|>",
    "<|ENDOFTEXT|>!", "<|STARTOFTEXT|>'s", "'s<|STARTOFTEXT|>", "<|startoftext|>'s", "<|\u200bendoftext|>", "<|endoftext|\u0338>", "<\u0338|endoftext|>",
    "!", "!!", "hi!", "hi !", "!hi", "!!!wow!!!", "! ! !", "?!", "!'s", "'!s", "<|!|>", f"!{END}!", "\uff01", "wow!\u0301",
]

SPACES = [
    "", " ", "   ", "\n", "\t\t", "\r\n", "\u00a0", "\u3000", " a", "a ", "  a   b  ", "a\tb\nc\rd\x0be\x0cf", "a\u0085b", "a\u1680b\u2000c\u2009d\u200ae",
    "a\u2028b\u2029c\u202fd\u205fe\u3000f", "a\u180eb", "a\u200bb", "a\ufeffb", "\ufeffa", "a\x1cb\x1dc\x1ed\x1fe", "a\x00b", "\x00", "\x01\x02\x7f\x80\x9f",
]

MARKS = [
    "e\u0301", "\u0301", "\u0301e", "a\u0323\u0302", "a\u0302\u0323", "\u1100\u1161\u11a8", "\uac00\u11a8", "\u1100\u1161\u11a7", "\u1112\u1161\u11ab\u1100\u1173\u11af",
    "\u0915\u093c", "\u09c7\u09be", "\u0b47\u0b56", "\u0dd9\u0dcf\u0dca", "\u1025\u102e", "\u0344", "\u0340\u0341\u0343", "\u2126\u212a\u212b", "\u2adc", "\ufb1d\ufb2a",
    "\U0001d15e\U0001d160", "\U000110ab\U0001112e", "\U00011935\U00011930", "A\u030a\u0301", "s\u0323\u0307", "s\u0307\u0323", "o\u0331\u0308", "z\u0338=\u0338<\u0338",
    "a" + "\u0301" * 40, "\u0323\u0301" * 20, "Z\u0351\u036b\u0343\u036a\u0302\u036b\u033d\u034f\u034e\u0319\u0324\u031e\u0349\u035a\u032f\u031e\u0320\u034dA\u036b\u0357\u0334\u0362",
    "\u0130\u0131I\u0307i\u0307", "\u1e9e\u00df\u017f\u212a", "\u03a3\u03c3\u03c2 \u03a3.", "a\u00adb", "a\u200cb\u200dc", "\u200e\u200f\u202a\u202e\u2066\u2069x", "\ufe0f\u20e3", "\ufffd\ufffe\uffff\U0010ffff",
    "\ue000\uf8ff\U000f0000", "\U000e0001\U000e0041\U000e007f", "\U000e0100",
]

EMOJI = [
    "😀", "😀😀😀", "a😀b", "👍🏽", "👩‍💻", "👨‍👩‍👧‍👦", "🏳️‍🌈", "🇫🇷🇩🇪", "1️⃣#️⃣", "❤️", "☺︎", "♥", "🫠🫡🪿🩷", "🧑🏻‍❤️‍💋‍🧑🏿", "photo 📷 of a 🐱!!", "©®™", "→⇒↯", "█▓▒░", "♔♕♖", "\U0001fae8\U0001fac6",
]


def random_texts(n):
    rnd = random.Random(49408)
    words = "a photo of the woman man in Red coat full-body Shot don't t-shirt 4k we'll HDR".split()
    bits = SPECIAL + SPACES + MARKS + EMOJI
    blocks = [(0, 0x80), (0x80, 0x250), (0x250, 0x600), (0x600, 0x1100), (0x1100, 0x1200), (0x1200, 0x2000), (0x2000, 0x2E00), (0x3000, 0x4E00),
              (0x4E00, 0xA000), (0xA000, 0xD800), (0xF900, 0x10000), (0x10000, 0x12000), (0x16000, 0x1E000), (0x1E000, 0x20000), (0x20000, 0x110000)]

    def bit():
        k = rnd.randrange(4)
        if k == 0:
            return rnd.choice(words) + " "
        if k == 1:
            return rnd.choice(bits)
        lo, hi = rnd.choice(blocks)
        return "".join(chr(rnd.randrange(lo, hi)) for _ in range(rnd.randrange(1, 4)))

    return ["".join(bit() for _ in range(rnd.randrange(1, 9))) for _ in range(n)]


def texts():
    scripts = [s.strip() for line in SCRIPTS.strip().split("\n") for s in line.split(" | ")]
    long = [PROMPTS[1] + " " + PROMPTS[2] + " " + PROMPTS[3]] + ["x " * n for n in (74, 75, 76, 200)] + ["😀 " * 60, "женщина " * 40, PROMPTS[1] + END + "!" + PROMPTS[1]]
    rare = ["".join(merges()[i].split(" ")).removesuffix("</w>") for i in range(0, len(merges()), 977)]
    readable = [w for w in rare if w.isascii()]
    return [*PROMPTS, *SPECIAL, *SPACES, *MARKS, *EMOJI, *scripts, *long, " ".join(readable), "".join(readable), *random_texts(150)]


# Texts too long to store: a unit repeated.
REPEATED = [("x", 20000), ("!", 20000), ("ab", 20000), ("\u0301\u0323", 5000), ("é", 10000), ("1", 5000), ("'s", 5000), ("<|", 5000), (END, 2000), ("👩‍💻", 2000), ("中", 10000)]


def pack(ids):
    return struct.pack(f"<{len(ids) + 1}I", len(ids), *ids)


def write_texts():
    lines = []
    for text in dict.fromkeys(texts()):
        case = {"text": text}
        for name, tok in three().items():
            ids = encode(tok, text)
            if ids != case.get("clip"):
                case[name] = ids
        lines.append(json.dumps(case, ensure_ascii=True))
    repeated = [json.dumps({"unit": unit, "count": n, "crc32": zlib.crc32(pack(encode(three()["clip"], unit * n)))}) for unit, n in REPEATED]
    body = ",\n  ".join(lines), ",\n  ".join(repeated)
    (TESTDATA / "texts.json").write_text(
        f'{{\n "versions": {json.dumps(VERSIONS)},\n "texts": [\n  {body[0]}\n ],\n "repeated": [\n  {body[1]}\n ]\n}}\n', encoding="utf-8")


# sweep.bin: every code point in every context; one CRC-32 (little endian) for each 256 of them over the packed ids

CONTEXTS = ["{}", "a{}b", "!{}'s", "e{}\u0323\u0301", "9{}{}A"]


def block_texts(block):
    points = [c for c in range(block * 256, block * 256 + 256) if not 0xD800 <= c < 0xE000]
    return [context.replace("{}", chr(c)) for c in points for context in CONTEXTS]


def block_ids(block):
    chosen = block_texts(block)
    return three()["clip"](chosen, add_special_tokens=False)["input_ids"] if chosen else []


def write_sweep():
    sums = [zlib.crc32(b"".join(pack(ids) for ids in block_ids(block))) for block in range(0x110000 // 256)]
    (TESTDATA / "sweep.bin").write_bytes(struct.pack(f"<{len(sums)}I", *sums))


# folders.json: what from_pretrained makes of folders with the vocabulary of tiny/published and these files. The ids that the files list are
# CLIP's: nothing but their order matters. A tokenizer.json gets the vocabulary filled in, with merges as strings or as pairs.

FOLDER_TEXTS = ["a<|startoftext|>b<|STARTOFTEXT|>c<|endoftext|>d<|ENDOFTEXT|>e! F!", "see <Cat> <cat>  x", "one <a><A> \u00e9 two"]


def token_object(content, normalized=None, **more):
    t = added(content, normalized, **more)
    if normalized is None:
        del t["normalized"]
    return t


def config_object(content, normalized=True):
    return {"__type": "AddedToken", **added(content, normalized)}


def folders():
    sd, names = published(END)
    plain = {k: v for k, v in sd.items() if k != "added_tokens_decoder"}
    roles = {"bos_token": config_object(START), "eos_token": config_object(END), "unk_token": config_object(END)}
    special = {k: added(v["content"], True) for k, v in roles.items()}
    saved = [{"id": 49406, **added(START, False, special=True)}, {"id": 49407, **added(END, False, special=True)}]
    whole = {"version": "1.0", "truncation": None, "padding": None, "added_tokens": saved, "model": {"type": "BPE"}}
    more = {"49406": added(START, True, special=True), "49407": added(END, False, special=True)}
    config, special_map, full = "tokenizer_config.json", "special_tokens_map.json", "tokenizer.json"
    return {
        "config only": {config: plain},
        "no roles": {config: {"model_max_length": 77}},
        "objects in the config": {config: plain | roles},
        "objects in the map": {config: plain | roles, special_map: special | {"pad_token": END}},
        "objects in the map, pad 0": {config: plain | roles | {"pad_token": "!"}, special_map: special | {"pad_token": "!"}},
        "pad object in the map": {config: plain, special_map: special | {"pad_token": added("!", True)}},
        "map overrides": {config: plain, special_map: {"pad_token": "!"}},
        "map counts not": {config: sd, special_map: {"pad_token": "!"}},
        "published": {config: sd, special_map: names},
        "published, pad 0": {config: published("!")[0], special_map: published("!")[1]},
        "empty decoder": {config: plain | roles | {"added_tokens_decoder": {}}},
        "decoder not special": {config: sd | {"added_tokens_decoder": {"49406": added(START, True, special=False), "49407": added(END, False, special=False)}}},
        "decoder with more": {config: sd | {"added_tokens_decoder": more | {"49408": added("<cat>", False), "49409": added("<a>", True)}}},
        "decoder strips": {config: sd | {"added_tokens_decoder": more | {"49408": {**added("<cat>", True), "lstrip": True, "rstrip": True}}}},
        "decoder numbers are not kept": {config: sd | {"added_tokens_decoder": more | {"50000": added("<a>", True), "49999": added("<cat>", False)}}},
        "decoder without flags": {config: sd | {"added_tokens_decoder": {"49406": {"content": START}, "49407": {"content": END, "special": True}}}},
        "additional tokens": {config: plain | {"additional_special_tokens": ["<a>", "<Cat>"]}},
        "extra tokens": {config: plain | {"extra_special_tokens": ["<cat>", config_object("<a>")]}},
        "extra before additional": {config: plain | {"extra_special_tokens": ["<cat>"], "additional_special_tokens": ["<a>"]}},
        "additional in the map": {config: plain, special_map: names | {"additional_special_tokens": ["<a>"]}},
        "additional in both": {config: plain | {"additional_special_tokens": []}, special_map: names | {"additional_special_tokens": ["<a>"]}},
        "extra in both": {config: plain | {"extra_special_tokens": ["<cat>"]}, special_map: names | {"extra_special_tokens": ["<a>"]}},
        "added_tokens.json": {config: plain | roles, "added_tokens.json": {"<cat>": 49409, "<A>": 49408, END: 49407}},
        "other roles": {config: plain | {"mask_token": "<a>", "cls_token": START, "sep_token": config_object(END)}},
        "new padding": {config: plain | {"pad_token": "<pad>"}},
        "length 10": {config: sd | {"model_max_length": 10}},
        "max_len": {config: {"max_len": 20}},
        "saved": {config: plain, full: whole},
        "saved, merges as text": {config: plain, full: whole | {"merges_as_text": True}},
        "saved, pad 0": {config: plain | {"pad_token": "!"}, full: whole | {"added_tokens": [{"id": 0, **added("!", False, special=True)}, *saved]}},
        "saved with decoder": {config: sd, full: whole},
        "saved, nothing added": {config: plain, full: whole | {"added_tokens": []}},
        "saved with sides": {config: plain, full: whole | {
            "truncation": {"direction": "Right", "max_length": 77, "strategy": "LongestFirst", "stride": 0},
            "padding": {"strategy": {"Fixed": 77}, "direction": "Right", "pad_to_multiple_of": None, "pad_id": 49407, "pad_type_id": 0, "pad_token": END}}},
        "saved with more": {config: plain, full: whole | {"added_tokens": [*saved, {"id": 49408, **added("<cat>", True)}, {"id": 49409, **added("<a>", False)}]}},
    }


@functools.cache
def few_merges():
    return [m for m in merges() if set(m) <= set("lowernidth </>")][:60]


def fill(whole):
    """tokenizer.json with the small vocabulary in its model."""
    whole = dict(whole)
    as_text = whole.pop("merges_as_text", False)
    pairs = [m if as_text else m.split(" ") for m in few_merges()]
    return whole | {"normalizer": None, "pre_tokenizer": None, "post_processor": None, "decoder": None, "model": whole["model"] | {
        "dropout": None, "unk_token": END, "continuing_subword_prefix": "", "end_of_word_suffix": "</w>", "fuse_unk": False,
        "byte_fallback": False, "ignore_merges": False, "vocab": vocabulary(few_merges()), "merges": pairs}}


def about(tok, chosen):
    return {
        "begin": tok.bos_token_id, "end": tok.eos_token_id, "pad": tok.pad_token_id, "max_length": tok.model_max_length, "size": len(tok),
        "texts": [{"text": t, "ids": encode(tok, t)} for t in chosen],
    }


def write_folders():
    out = {}
    for name, files in folders().items():
        filled = {n: fill(v) if n == "tokenizer.json" else v for n, v in files.items()}
        out[name] = {"files": files} | about(load(few_merges(), filled), FOLDER_TEXTS)
    body = ",\n  ".join(f"{json.dumps(n)}: {json.dumps(v, ensure_ascii=True)}" for n, v in out.items())
    (TESTDATA / "folders.json").write_text(f'{{\n "versions": {json.dumps(VERSIONS)},\n "folders": {{\n  {body}\n }}\n}}\n', encoding="utf-8")


# tiny/: whole folders with small vocabularies, and tiny.json with their ids

TINY_TEXTS = ["the low lower lowest newer wide!", "e\u0301t\u00e9 <|endoftext|> 12", "\u4e2d\U0001f600 lllll", "", "LOW <|STARTOFTEXT|>", "thththth ththe"]


def write_tiny():
    root = TESTDATA / "tiny"
    shutil.rmtree(root, ignore_errors=True)
    few = few_merges()
    config, names = published(END)
    write_vocabulary(root / "published", few)
    write_json(root / "published" / "tokenizer_config.json", config | {"added_tokens_decoder": {
        str(len(vocabulary(few)) - 2 + i): added(t, n, special=True) for i, (t, n) in enumerate([(START, True), (END, False)])}})
    write_json(root / "published" / "special_tokens_map.json", names)

    CLIPTokenizer.from_pretrained(root / "published").save_pretrained(root / "saved")

    # A vocabulary without most letters, whose unknown token stands for them.
    words = ["l", "o", "w", "e", "r", "s", "t", "i", "d", "n", "lo", "l</w>", "w</w>", "r</w>", "t</w>", "low</w>", "er</w>", "lowest</w>", "newer</w>", "wider", "<unk>", START, END]
    lacking = root / "lacking"
    lacking.mkdir()
    write_json(lacking / "vocab.json", {w: i for i, w in enumerate(words)})
    (lacking / "merges.txt").write_text("#version: 0.2\nl o\nlo w</w>\ne r</w>\n", encoding="utf-8")
    write_json(lacking / "tokenizer_config.json", {"model_max_length": 20, "unk_token": "<unk>"})

    out = {folder.name: about(CLIPTokenizer.from_pretrained(folder), TINY_TEXTS) for folder in sorted(root.iterdir())}
    write_json(TESTDATA / "tiny.json", {"versions": VERSIONS, "folders": out})


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--block", type=lambda s: int(s, 16), metavar="HEX", help="print the ids of code points 0xHEX00 to 0xHEXFF")
    parser.add_argument("--fixtures", action="store_true", help="write testdata only")
    args = parser.parse_args()
    if args.block is not None:
        for text, ids in zip(block_texts(args.block), block_ids(args.block)):
            print(ascii(text), ids)
        return
    TESTDATA.mkdir(exist_ok=True)
    if not args.fixtures:
        write_tables()
        write_merges()
    write_texts()
    write_folders()
    write_tiny()
    write_sweep()


if __name__ == "__main__":
    main()
