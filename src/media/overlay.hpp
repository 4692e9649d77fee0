// SPDX-License-Identifier: Apache-2.0
// Draws results on a picture: boxes, track labels, mesh contours, irises, head pose.
#pragma once

#include <span>

#include "faceflow/types.hpp"
#include "media/paint.hpp"

namespace faceflow::internal::media {

// A track's colour: constant for its life, distinct from its neighbours', visible on dark and on bright ground.
[[nodiscard]] rgb track_colour(std::int64_t track) noexcept;

// `scale_x`, `scale_y`: from the faces' pixels to the picture's. Parts of a face that were not found (all zero) are not
// drawn; drawing is clipped to the picture. Line widths and text scale with the picture.
void draw_faces(yuv_planes& picture, std::span<const face> faces, float scale_x = 1, float scale_y = 1);

// The same on a picture made from the faces' frame, with the frame's scale.
void draw_faces_on(yuv_planes& picture, const frame_faces& faces);

}  // namespace faceflow::internal::media
