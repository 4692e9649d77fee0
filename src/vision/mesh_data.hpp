// SPDX-License-Identifier: Apache-2.0
// Constant data of MediaPipe's face mesh. Everything here has static lifetime and is safe to read from any thread.
#pragma once

#include <array>
#include <cstdint>
#include <span>

namespace faceflow::internal::mesh {

// Landmarks that the canonical face knows; the ten iris points of the 478-point model are not among them.
inline constexpr int kCanonicalVertices = 468;
inline constexpr int kCanonicalTriangles = 898;

// The canonical face in centimetres, in MediaPipe's metric face space: right-handed, x to the subject's left, y up,
// z out of the face. Entry i belongs to landmark i.
std::span<const std::array<float, 3>> canonical_vertices();

// Three landmarks, counterclockwise as seen from outside of the face.
using triangle = std::array<std::uint16_t, 3>;

// The skin of the canonical face, the openings of eyes and mouth included.
std::span<const triangle> triangles();

struct weighted_landmark {
    int index;
    float weight;
};

// The landmarks, and how much each counts, that the canonical face is aligned by to find a head's pose.
std::span<const weighted_landmark> procrustes_basis();

// Two landmarks joined by a line.
using edge = std::array<std::uint16_t, 2>;

// Face oval, lips, eyes and brows.
std::span<const edge> contours();

}  // namespace faceflow::internal::mesh
