// SPDX-License-Identifier: Apache-2.0
// Between the records of faces and the model of their blendshapes: which landmarks it sees. Host/device functions.
#pragma once

#include "core/hd.hpp"
#include "vision/records.hpp"

namespace faceflow::internal::vision {

inline constexpr std::int32_t blendshape_points = 146;

namespace detail {

// The landmarks that the model was trained on, in its order (MediaPipe, face_blendshapes_graph.cc).
FACEFLOW_HD inline std::int32_t blendshape_landmark(std::int32_t i) {
    constexpr std::int16_t all[blendshape_points] = {
        0,   1,   4,   5,   6,   7,   8,   10,  13,  14,  17,  21,  33,  37,  39,  40,  46,  52,  53,  54,  55,
        58,  61,  63,  65,  66,  67,  70,  78,  80,  81,  82,  84,  87,  88,  91,  93,  95,  103, 105, 107, 109,
        127, 132, 133, 136, 144, 145, 146, 148, 149, 150, 152, 153, 154, 155, 157, 158, 159, 160, 161, 162, 163,
        168, 172, 173, 176, 178, 181, 185, 191, 195, 197, 234, 246, 249, 251, 263, 267, 269, 270, 276, 282, 283,
        284, 285, 288, 291, 293, 295, 296, 297, 300, 308, 310, 311, 312, 314, 317, 318, 321, 323, 324, 332, 334,
        336, 338, 356, 361, 362, 365, 373, 374, 375, 377, 378, 379, 380, 381, 382, 384, 385, 386, 387, 388, 389,
        390, 397, 398, 400, 402, 405, 409, 415, 454, 466, 468, 469, 470, 471, 472, 473, 474, 475, 476, 477};
    return all[i];
}

}  // namespace detail

// What the model sees of a record, with one block: `blendshape_points` landmarks, in pixels of the frame. The model
// centres and scales them.
template <class Block>
FACEFLOW_HD void take_points(Block block, const face_record& from, point* to) {
    for (std::int32_t i = block.thread(); i < blendshape_points; i += block.threads()) {
        const point3& l = from.landmarks[detail::blendshape_landmark(i)];
        to[i] = {l.x, l.y};
    }
}

template <class Block>
FACEFLOW_HD void put_blendshapes(Block block, const float* from, face_record* to) {
    for (std::int32_t i = block.thread(); i < blendshape_count; i += block.threads())
        to->blendshapes[i] = from[i];
}

}  // namespace faceflow::internal::vision
