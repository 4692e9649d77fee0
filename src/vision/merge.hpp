// SPDX-License-Identifier: Apache-2.0
// Adds what a detector found to the faces that are followed by their meshes. Host/device functions.
#pragma once

#include "core/hd.hpp"
#include "vision/detect.hpp"
#include "vision/records.hpp"

namespace faceflow::internal::vision {

struct merge_options {
    float min_score = 0.5f;    // a followed face is given up below it
    float max_overlap = 0.4f;  // as in detect_options
    std::int32_t max_faces = 100;
    bool begins = false;  // nothing is followed yet: what the set holds is no face of this frame
};

namespace detail {

// A followed face that no detection confirms loses this share of its score each time: after some four detections in a
// row it is given up, so that a mesh cannot live on where there is no face. A mesh that is lost shows it by its presence
// long before.
inline constexpr float unconfirmed_score = 0.85f;

// Whether a mesh has slid off the face that a detector found there. Regions of a detector and of a mesh on one face
// differ by less.
FACEFLOW_HD inline bool slid_off(const region& followed, const region& found) {
    constexpr float far = 0.3f, ratio = 1.6f;  // of the size
    const float dx = followed.cx - found.cx, dy = followed.cy - found.cy;
    const float larger = fmaxf(followed.size, found.size), smaller = fminf(followed.size, found.size);
    return !(sqrtf(dx * dx + dy * dy) <= far * smaller) || !(larger <= ratio * smaller);
}

// Whose number of faces may have been written by another process.
FACEFLOW_HD inline std::int32_t faces_of(const detection_set& set, std::int32_t most) {
    const std::int32_t count = set.count;
    return count < 0 ? 0 : count < most ? count : most;
}

}  // namespace detail

// Adds the faces of `found`, which is used up, to those in `faces`. A followed face keeps its region, so that a
// detection does not show in its landmarks; it takes the region of a detection only if its mesh has slid off. With one
// block; the result does not depend on its number of threads.
template <class Block>
FACEFLOW_HD void merge_faces(Block block, const merge_options& options, detection_set* found, detection_set* faces) {
    constexpr float known = -1;  // for `followed`
    detection* const news = found->items();
    detection* const items = faces->items();
    const std::int32_t count = detail::faces_of(*found, options.max_faces);
    const std::int32_t before = options.begins ? 0 : detail::faces_of(*faces, options.max_faces);
    const std::int32_t overflow = found->overflow;
    for (std::int32_t j = block.thread(); j < count; j += block.threads()) {
        for (std::int32_t k = 0; k < before; ++k) {
            if (is_of(items[k].box, news[j].box, options.max_overlap)) news[j].followed = known;
        }
    }
    block.sync();
    for (std::int32_t k = block.thread(); k < before; k += block.threads()) {
        std::int32_t best = -1;
        float most = 0;
        for (std::int32_t j = 0; j < count; ++j) {
            const float overlap = intersection_over_union(items[k].box, news[j].box);
            if (overlap > most && is_of(items[k].box, news[j].box, options.max_overlap)) {
                most = overlap;
                best = j;
            }
        }
        if (best < 0) {
            items[k].score *= detail::unconfirmed_score;
        } else if (detail::slid_off(items[k].area, news[best].area)) {
            items[k] = news[best];
            items[k].followed = 0;
        } else {
            items[k].score = news[best].score;
        }
    }
    block.sync();
    if (block.thread() != 0) return;
    std::int32_t kept = 0, lost = 0;
    for (std::int32_t k = 0; k < before; ++k) {
        if (!(items[k].score >= options.min_score)) continue;
        if (kept != k) items[kept] = items[k];
        ++kept;
    }
    for (std::int32_t j = 0; j < count; ++j) {
        if (news[j].followed == known) continue;
        if (kept < options.max_faces) {
            items[kept++] = news[j];
        } else {
            ++lost;
        }
    }
    faces->count = kept;
    faces->overflow = overflow + lost;
}

}  // namespace faceflow::internal::vision
