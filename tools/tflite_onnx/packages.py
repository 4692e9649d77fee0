# SPDX-License-Identifier: Apache-2.0
"""Finds MediaPipe's files: in the npm packages that package.json pins, and in the face landmarker's bundle."""

import hashlib
import io
import json
import pathlib
import re
import struct
import zipfile
import zlib

from . import ConversionError

ROOT = pathlib.Path(__file__).resolve().parents[2]
MESH_PACKAGE = "@mediapipe/face_mesh"
DETECTION_PACKAGE = "@mediapipe/face_detection"

# face_landmarker.task (float16, version 1) as Google publishes it
LANDMARKER_SHA256 = "64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff"
_LARGEST_MEMBER = 64 << 20  # bytes; no whole bundle comes near it


def path(package, name):
    file = ROOT / "node_modules" / package / name
    if not file.is_file():
        raise ConversionError(f"{file.relative_to(ROOT)} is missing; run tools/setup.sh")
    return file


def read(package, name):
    return path(package, name).read_bytes()


def packed_mesh_asset(name):
    """One of the files that the mesh package keeps in a single one; its loader script lists where each lies."""
    loader = read(MESH_PACKAGE, "face_mesh_solution_packed_assets_loader.js").decode("utf-8")
    listing = re.search(r"loadPackage\((\{.*?\})\);", loader)
    if listing is None:
        raise ConversionError("the packed assets' loader has no listing")
    data = read(MESH_PACKAGE, "face_mesh_solution_packed_assets.data")
    for entry in json.loads(listing[1])["files"]:
        if entry["filename"].rpartition("/")[2] == name:
            return data[entry["start"] : entry["end"]]
    raise ConversionError(f"the packed assets hold no {name}")


def bundle(data, names, any_version=False):
    """These files of a bundle, by name. Only the known bundle is accepted, unless `any_version`."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            found = hashlib.sha256(data).hexdigest()
            if found != LANDMARKER_SHA256 and not any_version:
                raise ConversionError(f"unknown bundle: its SHA-256 is {found}, expected {LANDMARKER_SHA256}")
            return {name: _member(archive, name) for name in names}
    # What zipfile raises where an archive is damaged or encrypted
    except (zipfile.BadZipFile, zlib.error, struct.error, EOFError, RuntimeError, ValueError, OSError) as error:
        raise ConversionError(f"not a whole bundle: {error}") from error


def _member(archive, name):
    try:
        entry = archive.getinfo(name)
    except KeyError:
        raise ConversionError(f"the bundle holds no {name}") from None
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) or entry.file_size > _LARGEST_MEMBER:
        raise ConversionError(f"{name} in the bundle has {entry.file_size} bytes packed by method {entry.compress_type}")
    return archive.read(entry)
