"""Reference files for package train/dataset: label files as pyarrow writes them, in odd types, and views as Pillow and torchvision make them.

Writes train/dataset/testdata. Needs pyarrow, Pillow and numpy; the versions are recorded in views.json.

    python3 oracle/dataset.py
"""

import hashlib
import json
import pathlib

import numpy as np
import PIL
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

OUT = pathlib.Path(__file__).resolve().parent.parent / "train" / "dataset" / "testdata"
N = 7


def aa_text(i):
    groups = [{"country": "Asian", "age": "adult", "gender": "female"}, None, {"background": f"wall {i}"}, {"hair color": "black", "hair length": "above chest"}]
    return json.dumps(groups + [None] * 16)


AA_IDS = json.dumps([[11], None, [0], [2]] + [None] * 16)


def labels():
    """Columns that every case begins with."""
    return {
        "path": [f"images/{i}.png" for i in range(N)],
        "segm_path": [f"segm/{i}.png" for i in range(N)],
        "height": [128.0 + i for i in range(N)],
        "width": [96.0] * N,
        "aa_text": [aa_text(i) for i in range(N)],
        "aa_ids": [AA_IDS] * N,
        "person_type": ["full_body" if i % 2 else None for i in range(N)],
    }


def write(name, types, drop=(), extra=None, **options):
    columns = labels() | (extra or {})
    arrays = {k: pa.array(v, type=types.get(k)) for k, v in columns.items() if k not in drop}
    pq.write_table(pa.table(arrays), OUT / name, **options)


def parquet():
    write("plain.parquet", {})
    # Other widths of numbers, a dictionary, large strings, row groups of three, columns that nobody asked for, another order.
    odd = labels()
    odd["height"] = [int(h) for h in odd["height"]]
    arrays = {
        "extra": pa.array([[1, 2]] * N),
        "aa_ids": pa.array(odd["aa_ids"]).dictionary_encode(),
        "aa_text": pa.array(odd["aa_text"], type=pa.large_string()),
        "width": pa.array(odd["width"], type=pa.float32()),
        "height": pa.array(odd["height"], type=pa.int32()),
        "nested": pa.array([{"a": 1, "b": {"c": "x"}}] * N),
        "person_type": pa.array(odd["person_type"]).dictionary_encode(),
        "segm_path": pa.array([p.encode() for p in odd["segm_path"]], type=pa.binary()),
        "path": pa.array(odd["path"]),
    }
    pq.write_table(pa.table(arrays), OUT / "odd.parquet", compression="zstd", row_group_size=3)
    write("pages2.parquet", {"height": pa.int64()}, compression="gzip", data_page_version="2.0", data_page_size=64, use_dictionary=False)
    write("lz4.parquet", {}, compression="lz4")
    write("delta.parquet", {}, compression="none", use_dictionary=False, column_encoding={"path": "DELTA_BYTE_ARRAY", "aa_text": "DELTA_LENGTH_BYTE_ARRAY"})
    write("few.parquet", {}, drop=("segm_path", "aa_ids", "person_type", "height", "width"), compression="brotli")
    write("lacking.parquet", {}, drop=("path", "aa_text"))
    wrong = {"path": pa.array([1] * N), "aa_text": pa.array([["a", "b"]] * N), "height": pa.array(["128"] * N), "aa_ids": pa.array([{"a": 1}] * N)}
    pq.write_table(pa.table(wrong), OUT / "wrong.parquet")


def slope(w, h):
    """The picture of the package's tests: every pixel another."""
    y, x = np.mgrid[:h, :w]
    return Image.fromarray(np.stack([255 * x // w, 255 * y // h, (x ^ y) & 255], -1).astype(np.uint8), "RGB")


def digest(a):
    return hashlib.sha256(np.ascontiguousarray(a).tobytes()).hexdigest()


def views():
    cases = []
    for w, h, sw, sh, left, top, bw, bh, flip in [
        (96, 128, 64, 85, 0, 10, 64, 64, False),
        (96, 128, 64, 85, 0, 7, 64, 64, True),
        (131, 77, 109, 64, 22, 0, 64, 64, False),
        (40, 30, 85, 64, 11, 0, 64, 64, True),
        (64, 64, 64, 64, 0, 0, 64, 64, False),
        (333, 500, 64, 96, 0, 16, 64, 64, False),
    ]:
        box = (left, top, left + bw, top + bh)
        img = slope(w, h).resize((sw, sh), Image.LANCZOS).crop(box)
        y, x = np.mgrid[:h, :w]
        labels = Image.fromarray(((x * 7 + y * 3) // 5 % 18).astype(np.uint8), "L").resize((sw, sh), Image.NEAREST).crop(box)
        pixels = np.asarray(img).astype(np.float32).transpose(2, 0, 1) / np.float32(255)  # ToTensor
        pixels = (pixels - np.float32(0.5)) / np.float32(0.5)  # Normalize([0.5], [0.5])
        labels = np.asarray(labels)
        if flip:
            pixels, labels = pixels[:, :, ::-1], labels[:, ::-1]
            swap = np.arange(256, dtype=np.uint8)
            for a, b in ((9, 10), (12, 13), (14, 15)):
                swap[a], swap[b] = b, a
            labels = swap[labels]
        cases.append({"Image": [w, h], "Scaled": [sw, sh], "Corner": [left, top], "Size": [bw, bh], "Flip": flip, "Pixels": digest(pixels), "Labels": digest(labels)})
    versions = {"pillow": PIL.__version__, "numpy": np.__version__, "pyarrow": pa.__version__}
    (OUT / "views.json").write_text(json.dumps({"Versions": versions, "Cases": cases}, indent=1) + "\n")


if __name__ == "__main__":
    OUT.mkdir(parents=True, exist_ok=True)
    parquet()
    views()
