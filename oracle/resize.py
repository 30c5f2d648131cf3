"""Reference resizes: Pillow's resize with LANCZOS of RGB images, and its convert("L").

Writes picture/testdata/resize/resize.json: for each case the sizes, how the image was made (see picture), and of the result the
SHA-256 of its RGB bytes; of small ones the bytes too.

    python3 oracle/resize.py
"""

import base64
import hashlib
import json
import pathlib

import PIL
from PIL import Image

OUT = pathlib.Path(__file__).resolve().parent.parent / "picture" / "testdata" / "resize" / "resize.json"


def picture(kind, width, height):
    """noise: the high bytes of a linear congruential generator; edges: black and white tiles of 3x5, other ones in each channel."""
    data = bytearray()
    if kind == "noise":
        x = width * 65536 + height
        for _ in range(width * height * 3):
            x = (x * 1664525 + 1013904223) % 2**32
            data.append(x >> 24)
    else:
        for y in range(height):
            for x in range(width):
                data += bytes(255 * ((x // 3 + y // 5 + c) % 2) for c in range(3))
    return Image.frombytes("RGB", (width, height), bytes(data))


SIZES = [
    ((1, 1), (1, 1)), ((1, 1), (8, 8)), ((2, 3), (5, 4)), ((7, 5), (7, 5)), ((9, 7), (3, 2)), ((16, 16), (17, 15)), ((16, 16), (16, 40)),
    ((16, 16), (40, 16)), ((101, 75), (96, 72)), ((101, 75), (8, 72)), ((64, 64), (96, 64)), ((64, 64), (512, 8)), ((257, 131), (64, 64)),
    ((50, 80), (1, 1)), ((999, 2), (8, 8)), ((300, 200), (513, 387)), ((640, 427), (512, 512)), ((1333, 777), (256, 1000)),
    ((37, 53), (36, 52)), ((64, 64), (56, 47)), ((64, 64), (56, 48)), ((9, 30), (8, 28)),
]


def main():
    cases = []
    for kind in ("noise", "edges"):
        for before, after in SIZES:
            raw = picture(kind, *before).resize(after, resample=Image.LANCZOS).tobytes()
            case = {"kind": kind, "from": before, "to": after, "sha256": hashlib.sha256(raw).hexdigest()}
            if len(raw) <= 900:
                case["rgb"] = base64.b64encode(raw).decode()
            cases.append(case)
    gray = picture("noise", 200, 100).convert("L").tobytes()
    about = {"versions": {"pillow": PIL.__version__}, "gray": {"from": [200, 100], "sha256": hashlib.sha256(gray).hexdigest()}}
    OUT.parent.mkdir(parents=True, exist_ok=True)
    lines = ",\n".join("    " + json.dumps(c) for c in cases)
    OUT.write_text(json.dumps(about, indent=2)[:-2] + ',\n  "cases": [\n' + lines + "\n  ]\n}\n")
    print(f"{len(cases)} cases, {OUT.stat().st_size // 1024} KiB")


if __name__ == "__main__":
    main()
