"""Reference image files: one of every kind that is decoded, and what Pillow 13.0.0 reads in it.

Writes picture/testdata: beside NAME.EXT stands NAME.want.png, its pixels as they are meant to be seen, upright and in RGBA.

    python3 oracle/pictures.py
"""

import pathlib
import struct
import zlib

from PIL import Image, ImageOps

OUT = pathlib.Path(__file__).resolve().parent.parent / "picture" / "testdata"
W, H = 72, 66  # within the limits, and neither side a multiple of 16


def colours(alpha=False):
    """A picture in which no orientation looks like another."""
    img = Image.new("RGBA" if alpha else "RGB", (W, H))
    for y in range(H):
        for x in range(W):
            c = (x * 3, y * 3, 40 + (x + y) // 2)
            img.putpixel((x, y), c + (255 * x // W,) if alpha else c)
    for y in range(8, 20):
        for x in range(8, 40):
            img.putpixel((x, y), (250, 20, 30, 255) if alpha else (250, 20, 30))
    return img


def want(path):
    img = Image.open(path)
    if img.mode.startswith("I;16"):  # Pillow would cut off instead of scaling
        img = img.point(lambda v: v / 256).convert("L")
    img = ImageOps.exif_transpose(img).convert("RGBA")
    img.save(path.with_suffix(".want.png"))


def png_chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def rgba64(path):
    rows = b""
    for y in range(H):
        rows += b"\0" + b"".join(struct.pack(">4H", x * 900, y * 900, 30000 + x, 65535 * x // W) for x in range(W))
    header = struct.pack(">IIBBBBB", W, H, 16, 6, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + png_chunk(b"IDAT", zlib.compress(rows)) + png_chunk(b"IEND", b""))


def main():
    out = OUT
    out.mkdir(exist_ok=True)
    rgb, rgba = colours(), colours(alpha=True)
    exif = Image.Exif()
    exif[0x0112] = 6
    files = {
        "rgb.png": lambda p: rgb.save(p),
        "rgba.png": lambda p: rgba.save(p),
        "gray.png": lambda p: rgb.convert("L").save(p),
        "grayalpha.png": lambda p: rgba.convert("LA").save(p),
        "gray16.png": lambda p: Image.frombytes("I;16", (W, H), b"".join(struct.pack("<H", x * 500 + y * 400) for y in range(H) for x in range(W))).save(p),
        "rgba64.png": rgba64,
        "bilevel.png": lambda p: rgb.convert("1").save(p),
        "paletted.png": lambda p: rgb.quantize(13).save(p),
        "transparent.png": lambda p: rgb.quantize(13).save(p, transparency=bytes([0, 90, 255])),
        "turned.png": lambda p: rgb.save(p, exif=exif),
        "animated.png": lambda p: rgb.save(p, save_all=True, append_images=[rgb.convert("L").convert("RGB")], duration=100),
        "rgb.jpg": lambda p: rgb.save(p, quality=95, subsampling=0),
        "subsampled.jpg": lambda p: rgb.save(p, quality=95, subsampling=2),
        "halfwide.jpg": lambda p: rgb.save(p, quality=95, subsampling=1),
        "odd.jpg": lambda p: rgb.resize((W - 1, H - 1)).save(p, quality=95, subsampling=2),
        "progressive.jpg": lambda p: rgb.save(p, quality=95, subsampling=0, progressive=True),
        "gray.jpg": lambda p: rgb.convert("L").save(p, quality=95),
        "cmyk.jpg": lambda p: rgb.convert("CMYK").save(p, quality=95),
        "turned.jpg": lambda p: rgb.save(p, quality=95, subsampling=0, exif=exif),
        "lossy.webp": lambda p: rgb.save(p, quality=90),
        "lossyalpha.webp": lambda p: rgba.save(p, quality=90),
        "lossless.webp": lambda p: rgb.save(p, lossless=True),
        "losslessalpha.webp": lambda p: rgba.save(p, lossless=True, exact=True),
        "turned.webp": lambda p: rgb.save(p, lossless=True, exif=exif),
    }
    for name, make in files.items():
        make(out / name)
        path = out / name
        # Files of one name and other extensions must not share what is wanted.
        stem = name.replace(".", "-")
        img = path.rename(out / (stem + path.suffix))
        want(img)
    rgb.save(out / "moving.webp", save_all=True, append_images=[rgb.rotate(90)], duration=100)


main()
