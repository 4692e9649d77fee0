# SPDX-License-Identifier: Apache-2.0
"""Finds MediaPipe's files in the npm packages that package.json pins."""

import json
import pathlib
import re

from . import ConversionError

ROOT = pathlib.Path(__file__).resolve().parents[2]
MESH_PACKAGE = "@mediapipe/face_mesh"
DETECTION_PACKAGE = "@mediapipe/face_detection"


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
