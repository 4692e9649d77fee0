// SPDX-License-Identifier: Apache-2.0
// Data in device memory between the stages, and the results that are downloaded. Plain data of fixed layout.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/hd.hpp"
#include "faceflow/types.hpp"
#include "vision/geometry.hpp"

namespace faceflow::internal::vision {

inline constexpr int max_candidates = 4096;  // limit of detector cells above the threshold for non-maximum suppression

struct candidate {
    float score = 0;
    std::int32_t cell = 0;  // the detector cell, for the decoder; also breaks ties in the order
};

struct detection {
    rect box;
    point keypoints[5];
    float score = 0;
    region area;         // where the landmark model looks
    region seen;         // around the last mesh; box and keypoints move with it. Set once there is a mesh
    float followed = 0;  // how many frames it has been followed for by its mesh; 0: as the detector found it
};

// The faces of one frame, not yet meshed: a header, then `capacity` detections.
struct detection_set {
    std::int32_t count = 0;     // detections that follow
    std::int32_t overflow = 0;  // candidates or faces that did not fit
    FACEFLOW_HD detection* items() { return reinterpret_cast<detection*>(this + 1); }
    FACEFLOW_HD const detection* items() const { return reinterpret_cast<const detection*>(this + 1); }
    static constexpr std::size_t bytes(std::size_t capacity) {
        return sizeof(detection_set) + capacity * sizeof(detection);
    }
};

// What the pixels of a face are like (vision/quality.hpp); members of face_measures.
struct picture_quality {
    float brightness = not_measured, contrast = not_measured, sharpness = not_measured;
};

struct face_record {
    detection found;
    float presence = 0;
    head_pose pose;
    point3 landmarks[landmark_count];
    float blendshapes[blendshape_count];  // not finite without a model of them
    picture_quality quality;
};

// Limit of frames per pass; bounds a kernel's parameters.
inline constexpr std::int32_t max_pass_frames = 16;

// Where the faces of each frame of a pass lie. The faces of a pass are numbered consecutively, frame after frame.
struct face_table {
    detection_set* of[max_pass_frames] = {};
    std::int32_t frames = 0;
};

// The table of a pass of one frame.
[[nodiscard]] inline face_table one_frame_table(detection_set* faces) {
    face_table t;
    t.of[0] = faces;
    t.frames = 1;
    return t;
}

// Faces [first, first + capacity) of a pass, as far as there are that many: what one run of the mesh model takes.
struct face_batch {
    face_table faces;
    std::int32_t first = 0, capacity = 0;
};

struct face_position {
    std::int32_t frame = -1;  // -1: the pass has no such face
    std::int32_t item = 0;    // within the frame
};

FACEFLOW_HD inline face_position locate(const face_table& faces, std::int32_t number) {
    for (std::int32_t f = 0; f < faces.frames; ++f) {
        const std::int32_t count = faces.of[f]->count;
        if (number < count) return {f, number};
        number -= count;
    }
    return {};
}

FACEFLOW_HD inline std::int32_t faces_in(const face_table& faces) {
    std::int32_t sum = 0;
    for (std::int32_t f = 0; f < faces.frames; ++f)
        sum += faces.of[f]->count;
    return sum;
}

// The header of one frame of a pass.
struct result_header {
    std::int32_t count = 0;   // faces found; may exceed `filled`
    std::int32_t filled = 0;  // records of this frame
    std::int32_t first = 0;   // index of its first record in the pass
    std::int32_t overflow = 0;
};

// The results of a pass, all that is downloaded: a header per frame, then the records of all its frames, packed.
struct pass_results {
    result_header* headers = nullptr;
    std::int32_t frames = 0;
    FACEFLOW_HD face_record* records() const { return reinterpret_cast<face_record*>(headers + frames); }
    static constexpr std::size_t bytes(std::int32_t frames, std::int32_t faces) {
        return static_cast<std::size_t>(frames) * sizeof(result_header) +
               static_cast<std::size_t>(faces) * sizeof(face_record);
    }
};

}  // namespace faceflow::internal::vision
