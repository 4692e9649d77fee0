// What lies in device memory between the stages, and what comes down at the end. Plain data of fixed layout.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/hd.hpp"
#include "faceflow/types.hpp"
#include "vision/geometry.hpp"

namespace faceflow::vision {

inline constexpr int max_candidates = 4096;  // detector cells above the threshold that non-maximum suppression looks at

struct candidate {
    float score = 0;
    std::int32_t cell = 0;  // which detector cell, for the decoder; also the tie-breaker of the order
};

struct detection {
    rect box;
    point keypoints[5];
    float score = 0;
    region area;
};

// The faces of one frame, found but not yet meshed: a header, then `capacity` detections.
struct detection_set {
    std::int32_t count = 0;     // detections that follow
    std::int32_t overflow = 0;  // candidates or faces that did not fit
    FACEFLOW_HD detection* items() { return reinterpret_cast<detection*>(this + 1); }
    FACEFLOW_HD const detection* items() const { return reinterpret_cast<const detection*>(this + 1); }
    static constexpr std::size_t bytes(std::size_t capacity) {
        return sizeof(detection_set) + capacity * sizeof(detection);
    }
};

struct face_record {
    detection found;
    float presence = 0;
    head_pose pose;
    point3 landmarks[landmark_count];
};

// The result block of one frame: a header, then `capacity` records. This is all that crosses back to the host.
struct result_block {
    std::int32_t count = 0;   // faces found in the frame; may exceed what fits here
    std::int32_t filled = 0;  // records that follow
    std::int32_t first = 0;   // index of the first record among the frame's faces
    std::int32_t overflow = 0;
    FACEFLOW_HD face_record* records() { return reinterpret_cast<face_record*>(this + 1); }
    FACEFLOW_HD const face_record* records() const { return reinterpret_cast<const face_record*>(this + 1); }
    static constexpr std::size_t bytes(std::size_t capacity) {
        return sizeof(result_block) + capacity * sizeof(face_record);
    }
};

}  // namespace faceflow::vision
