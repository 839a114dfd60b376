"""Files that are no pictures, or more than one thing at once."""

import io
import json
import struct
import zipfile
from collections.abc import Iterator
from functools import partial

import numpy as np
from nasty_frames import INDICES, comment, gif, gif_frame
from nasty_rows import (
    CUT_SHORT,
    PICTURE,
    UNSUPPORTED,
    Nasty,
    Shown,
    damaged,
    jpeg_segment,
    saved,
    with_segment,
    written,
)

CLOSE = Shown(tolerance=6)
SVG = (
    b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"><rect width="9" height="9"/></svg>'
)
TEXTS = {
    "plain text": b"This is no picture.\n" * 50,
    "HTML": b"<!DOCTYPE html><html><script>alert(1)</script></html>",
    "SVG": SVG,
    "XML with entities": b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><svg>&x;</svg>',
    "PDF": b"%PDF-1.7\n1 0 obj<<>>endobj\ntrailer<<>>\n%%EOF",
    "JSON": json.dumps({"image": "none"}).encode(),
    "ELF": b"\x7fELF\x02\x01\x01" + bytes(500),
    "an EXE file": b"MZ\x90\0" + bytes(500),
    "a shell script": b"#!/bin/sh\nrm -rf /\n",
    "PostScript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(/etc/passwd) (r) file\n",
    "PHP": b"<?php system($_GET['c']); ?>",
    "gzip": b"\x1f\x8b\x08\0" + bytes(100),
    "an ImageMagick script": b"push graphic-context\nfill 'url(https://example.org/|id)'\npop graphic-context\n",
    "a WMF file": b"\xd7\xcd\xc6\x9a" + bytes(100),
    "an EMF file": struct.pack("<I", 1) + bytes(36) + b" EMF" + bytes(60),
    "a Photoshop file": b"8BPS\0\1" + bytes(6) + struct.pack(">HIIHH", 3, 9, 9, 8, 3) + bytes(400),
    "a Radiance file": b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 1 +X 1\n" + bytes(4),
    "a WAVE file": b"RIFF\x24\0\0\0WAVEfmt " + bytes(40),
    "an MP4 file": b"\0\0\0\x18ftypisom\0\0\0\0isomiso2" + bytes(100),
    "zeros": bytes(10_000),
    "a pickle": b"cos\nsystem\n(S'id'\ntR.",
}
OTHERS = {
    "JPEG 2000": "JPEG2000", "ICO": "ICO", "PPM": "PPM", "EPS": "EPS", "DDS": "DDS", "TGA": "TGA", "PCX": "PCX",
    "ICNS": "ICNS", "SGI": "SGI",
}  # fmt: skip


def stranger_rows() -> Iterator[Nasty]:
    for name, data in TEXTS.items():
        yield Nasty(f"{name} for a picture", partial(bytes, data), UNSUPPORTED)
    for name, writer in OTHERS.items():
        yield Nasty(f"{name} picture", partial(saved, PICTURE, writer), UNSUPPORTED)
    yield Nasty("XBM picture", lambda: saved(PICTURE.convert("1"), "XBM"), UNSUPPORTED)
    yield Nasty("zip for a picture", _zip, UNSUPPORTED)
    yield Nasty("no bytes", lambda: b"", damaged("0 bytes"))
    for first in (b"\xff", b"\x89", b"G", b"B", b"\0"):
        yield Nasty(f"the one byte {first.hex()}", partial(bytes, first), UNSUPPORTED)
    for first in (b"\xff\xd8", b"\x89PNG", b"GIF8", b"II*"):
        yield Nasty(f"the first bytes {first.hex()}", partial(bytes, first), CUT_SHORT)
    yield from _both()


def _zip() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("../../evil.sh", "#!/bin/sh\n" * 100)
    return out.getvalue()


def _both() -> Iterator[Nasty]:
    jpeg, png = written("JPEG"), written("PNG")
    script = b"*/=1;alert(document.cookie);/*"
    yield Nasty("JPEG with a zip behind it", lambda: jpeg + _zip(), CLOSE)
    yield Nasty("JPEG with a zip in a comment", lambda: with_segment(jpeg, jpeg_segment(0xFE, _zip())), CLOSE)
    yield Nasty("JPEG with PHP in its EXIF data", lambda: with_segment(jpeg, jpeg_segment(0xE1, TEXTS["PHP"])), CLOSE)
    yield Nasty("PNG with a zip behind it", lambda: png + _zip(), Shown())
    yield Nasty("PNG with another PNG behind it", lambda: png + png[::-1], Shown())
    yield Nasty("GIF with JavaScript behind it", lambda: gif(gif_frame(INDICES)) + script, Shown())
    anything = Shown(np.zeros((1, 1, 3), np.uint8), 0x2A2F, 32, 255, None)
    yield Nasty("GIF that is JavaScript from its first byte on", _gif_script, anything)
    yield Nasty("BMP with HTML behind it", lambda: written("BMP") + TEXTS["HTML"], Shown())
    yield Nasty("WebP with a zip behind it", lambda: written("WEBP") + _zip(), Shown())
    yield Nasty("HTML with a JPEG behind it", lambda: TEXTS["HTML"] + jpeg, UNSUPPORTED)
    yield Nasty("PDF with a JPEG in it", lambda: TEXTS["PDF"] + jpeg, UNSUPPORTED)
    yield Nasty("JPEG behind a byte order mark", lambda: b"\xef\xbb\xbf" + jpeg, UNSUPPORTED)
    yield Nasty("PNG after a line feed's conversion", lambda: png.replace(b"\r\n", b"\n"), UNSUPPORTED)
    yield Nasty("PNG in base64", lambda: b"iVBORw0KGgo" + bytes([65]) * 400, UNSUPPORTED)


def _gif_script() -> bytes:
    """`GIF89a/*` ... `*/=1;alert(1);`: the screen's width is the beginning of the script's comment."""
    return gif(gif_frame(INDICES), comment(b"*/=1;alert(1);"), width=0x2A2F)
