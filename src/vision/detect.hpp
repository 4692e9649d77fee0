// SPDX-License-Identifier: Apache-2.0
// From a detector's raw outputs to faces: decoding, non-maximum suppression, regions. Host/device functions over a
// block of cooperating threads, so that nothing comes to the host between the detector and the landmark model.
#pragma once

#include "core/hd.hpp"
#include "vision/records.hpp"

namespace faceflow::internal::vision {

enum class detector_kind : std::uint8_t { retinaface, blazeface };

// One output level of a detector. RetinaFace: NCHW maps; BlazeFace: cells in rows, the anchors of a cell together.
struct detector_level {
    const float* scores = nullptr;
    const float* boxes = nullptr;
    const float* keypoints = nullptr;
    std::int32_t columns = 0, rows = 0;
    std::int32_t anchors = 1;  // per cell
    float stride = 0;
};

struct detector_output {
    detector_kind kind = detector_kind::retinaface;
    std::int32_t levels = 0;
    detector_level level[3];
    letterbox fit;
    float frame_width = 0, frame_height = 0;
    bounds inside;  // of the input: a box beyond them is not that of a whole face
};

struct detect_options {
    float min_score = 0.5f;
    float max_overlap = 0.4f;  // intersection over union above which the weaker face is a duplicate
    std::int32_t max_faces = 100;
    // A further detection in the frame, or in a tile of it: adds faces to those in `out`, except duplicates or parts of
    // those, faces that contain them, and faces larger than `largest`: there it mistakes parts for whole faces.
    bool further = false;
    float largest = 1e30f;      // pixels of the detector's input
    float region_scale = 1.5f;  // side of the region over the longer side of the box (MediaPipe's face landmark graph)
};

// A block of a single thread: how the host runs block functions.
struct serial_block {
    static constexpr int thread() { return 0; }
    static constexpr int threads() { return 1; }
    static constexpr void sync() {}
    // Returns the previous value.
    static int add(std::int32_t* counter) { return (*counter)++; }
};

namespace detail {

FACEFLOW_HD inline float logistic(float v) {
    return 1 / (1 + expf(-v));
}

FACEFLOW_HD inline std::int32_t anchors_of(const detector_level& l) {
    return l.columns * l.rows * l.anchors;
}

FACEFLOW_HD inline float score_of(const detector_output& o, const detector_level& l, std::int32_t anchor) {
    if (o.kind == detector_kind::blazeface) return logistic(l.scores[anchor]);
    return l.scores[2 * l.columns * l.rows + anchor];  // two background maps, then two face maps
}

// RetinaFace mnet25 (InsightFace): anchors of 16 px times 32, 16 (stride 32), 8, 4 (16), 2, 1 (8), centred at
// stride * cell + 7.5 in pixel indices; box deltas after Faster R-CNN; keypoints scaled by 0.2.
FACEFLOW_HD inline detection decode_retinaface(const detector_level& l, std::int32_t cell) {
    const std::int32_t area = l.columns * l.rows;
    const std::int32_t anchor = cell / area, at = cell % area;
    const float size = l.stride * l.stride * (anchor == 0 ? 0.5f : 0.25f);  // 512, 256; 128, 64; 32, 16
    const float cx = static_cast<float>(at % l.columns) * l.stride + 7.5f;
    const std::int32_t row = at / l.columns;
    const float cy = static_cast<float>(row) * l.stride + 7.5f;
    const float* b = l.boxes + static_cast<std::ptrdiff_t>(anchor) * 4 * area + at;
    const float* k = l.keypoints + static_cast<std::ptrdiff_t>(anchor) * 10 * area + at;
    const float w = expf(b[2 * area]) * size, h = expf(b[3 * area]) * size;
    detection d;
    d.box = {b[0] * size + cx - 0.5f * (w - 1), b[area] * size + cy - 0.5f * (h - 1), w, h};
    for (int i = 0; i < 5; ++i) {
        // + 0.5: from pixel indices to continuous coordinates.
        d.keypoints[i] = {k[2 * i * area] * 0.2f * size + cx + 0.5f, k[(2 * i + 1) * area] * 0.2f * size + cy + 0.5f};
    }
    return d;
}

// BlazeFace (MediaPipe), full range with 48 x 48 cells of one anchor, short range with 16 x 16 of two and 8 x 8 of six:
// values in input pixels relative to the cell's centre, whatever the anchor; box centre and size, then eyes, nose, mouth
// centre, ear tragions. The mouth's corners are not in it: both hold its centre until the mesh knows better.
FACEFLOW_HD inline detection decode_blazeface(const detector_level& l, std::int32_t anchor) {
    const std::int32_t cell = anchor / l.anchors;
    const float cx = (static_cast<float>(cell % l.columns) + 0.5f) * l.stride;
    const std::int32_t row = cell / l.columns;
    const float cy = (static_cast<float>(row) + 0.5f) * l.stride;
    const float* v = l.boxes + static_cast<std::ptrdiff_t>(anchor) * 16;
    detection d;
    d.box = {cx + v[0] - 0.5f * v[2], cy + v[1] - 0.5f * v[3], v[2], v[3]};
    for (int i = 0; i < 5; ++i) {
        const int from = i < 4 ? i : 3;
        d.keypoints[i] = {cx + v[4 + 2 * from], cy + v[5 + 2 * from]};
    }
    return d;
}

FACEFLOW_HD inline bool better(const candidate& a, const candidate& b) {
    return a.score > b.score || (a.score == b.score && a.cell < b.cell);
}

// Bitonic sort, best first. `count` is padded to a power of two by the caller's scratch.
template <class Block>
FACEFLOW_HD void sort_many(Block block, candidate* c, std::int32_t count) {
    std::int32_t size = 1;
    while (size < count)
        size *= 2;
    for (std::int32_t i = count + block.thread(); i < size; i += block.threads())
        c[i] = {-1.0f, 0x7fffffff};
    block.sync();
    for (std::int32_t k = 2; k <= size; k *= 2) {
        for (std::int32_t j = k / 2; j > 0; j /= 2) {
            for (std::int32_t i = block.thread(); i < size; i += block.threads()) {
                const std::int32_t other = i ^ j;
                if (other <= i) continue;
                const bool ascending = (i & k) != 0;
                if (better(c[other], c[i]) != ascending) {
                    const candidate t = c[i];
                    c[i] = c[other];
                    c[other] = t;
                }
            }
            block.sync();
        }
    }
}

// Sorts best first into `sorted`. A small number of candidates is placed by counting better ones: one barrier instead
// of dozens.
template <class Block>
FACEFLOW_HD candidate* sort_candidates(Block block, candidate* c, std::int32_t count, candidate* sorted) {
    constexpr std::int32_t few = 512;
    if (count > few) {
        sort_many(block, c, count);
        return c;
    }
    for (std::int32_t i = block.thread(); i < count; i += block.threads()) {
        const candidate mine = c[i];
        std::int32_t rank = 0;
        for (std::int32_t k = 0; k < count; ++k)
            rank += better(c[k], mine) ? 1 : 0;
        sorted[rank] = mine;
    }
    block.sync();
    return sorted;
}

// Collects the candidates of a level with sufficient score, in any order. Several look-ups are in flight.
template <class Block>
FACEFLOW_HD void collect_candidates(Block block, const detector_output& o, const detector_level& l, float min_score,
                                    std::int32_t offset, candidate* items, std::int32_t* count) {
    constexpr std::int32_t together = 8;
    const std::int32_t cells = anchors_of(l);
    for (std::int32_t first = block.thread(); first < cells; first += together * block.threads()) {
        float scores[together];
        FACEFLOW_UNROLL
        for (std::int32_t k = 0; k < together; ++k) {
            const std::int32_t cell = first + k * block.threads();
            scores[k] = cell < cells ? score_of(o, l, cell) : -1.0f;
        }
        FACEFLOW_UNROLL
        for (std::int32_t k = 0; k < together; ++k) {
            if (!(scores[k] >= min_score)) continue;
            const std::int32_t at = block.add(count);
            if (at < max_candidates) items[at] = {scores[k], offset + first + k * block.threads()};
        }
    }
}

}  // namespace detail

// The rotated square for the landmark model: around the box, level along the eyes' line.
FACEFLOW_HD inline region region_of(const detection& d, float region_scale) {
    const float dx = d.keypoints[1].x - d.keypoints[0].x, dy = d.keypoints[1].y - d.keypoints[0].y;
    return {d.box.x + 0.5f * d.box.width, d.box.y + 0.5f * d.box.height,
            fmaxf(d.box.width, d.box.height) * region_scale, dx == 0 && dy == 0 ? 0.0f : atan2f(dy, dx)};
}

// Detectors call the eye on the left of the picture the right one, even for a face that is upside down. If the mouth is
// clearly above the eyes by that naming, swaps left and right: the region is then turned like the face.
FACEFLOW_HD inline void name_sides(detection& d) {
    point* k = d.keypoints;
    const float ex = k[1].x - k[0].x, ey = k[1].y - k[0].y;
    const float mx = 0.5f * (k[3].x + k[4].x - k[0].x - k[1].x), my = 0.5f * (k[3].y + k[4].y - k[0].y - k[1].y);
    constexpr float clearly = 0.1f;         // of the face's longer side
    const float below = ex * my - ey * mx;  // the mouth's distance below the eyes' line, times that line's length
    if (!(below < -clearly * fmaxf(d.box.width, d.box.height) * sqrtf(ex * ex + ey * ey))) return;
    const point right_eye = k[0], right_mouth = k[3];
    k[0] = k[1];
    k[1] = right_eye;
    k[3] = k[4];
    k[4] = right_mouth;
}

// From detector input pixels to upright frame pixels.
FACEFLOW_HD inline void to_frame(detection& d, const letterbox& fit) {
    const point corner = fit.to_frame({d.box.x, d.box.y});
    d.box = {corner.x, corner.y, d.box.width / fit.scale, d.box.height / fit.scale};
    for (point& k : d.keypoints)
        k = fit.to_frame(k);
}

FACEFLOW_HD inline bool plausible(const detection& d, const detector_output& o) {
    const float cx = d.box.x + 0.5f * d.box.width, cy = d.box.y + 0.5f * d.box.height;
    // Negated so that NaN from a broken model fails, too.
    return d.box.width >= 1 && d.box.height >= 1 && d.box.width < 4 * o.frame_width + 64 &&
           d.box.height < 4 * o.frame_height + 64 && cx > 0 && cy > 0 && cx < o.frame_width && cy < o.frame_height;
}

// Whether a box from a further detection is a known face or part of one.
FACEFLOW_HD inline bool is_of(const rect& known, const rect& box, float max_overlap) {
    const float w = fminf(known.x + known.width, box.x + box.width) - fmaxf(known.x, box.x);
    const float h = fminf(known.y + known.height, box.y + box.height) - fmaxf(known.y, box.y);
    if (!(w > 0) || !(h > 0)) return false;
    constexpr float part = 0.6f;  // of the smaller one
    return intersection_over_union(known, box) > max_overlap ||
           w * h > part * fminf(known.width * known.height, box.width * box.height);
}

// Scratch for one frame, in device memory.
struct detect_scratch {
    std::int32_t candidates = 0;
    std::int32_t faces = 0;
    candidate items[max_candidates], sorted[max_candidates];
    detection decoded[max_candidates];
    std::uint8_t gone[max_candidates];
};

// Fills `out` with the frame's faces, best first; the same for any number of threads in the block.
template <class Block>
FACEFLOW_HD void detect_faces(Block block, const detector_output& o, const detect_options& options,
                              detect_scratch* scratch, detection_set* out) {
    if (block.thread() == 0) {
        scratch->candidates = 0;
        scratch->faces = 0;
    }
    block.sync();
    const std::int32_t before = options.further ? out->count : 0;
    std::int32_t offset = 0;
    for (std::int32_t i = 0; i < o.levels; ++i) {
        detail::collect_candidates(block, o, o.level[i], options.min_score, offset, scratch->items,
                                   &scratch->candidates);
        offset += detail::anchors_of(o.level[i]);
    }
    block.sync();
    const std::int32_t found = scratch->candidates;
    const std::int32_t count = found < max_candidates ? found : max_candidates;
    const candidate* const sorted = detail::sort_candidates(block, scratch->items, count, scratch->sorted);

    for (std::int32_t i = block.thread(); i < count; i += block.threads()) {
        std::int32_t cell = sorted[i].cell, level = 0;
        while (cell >= detail::anchors_of(o.level[level]))
            cell -= detail::anchors_of(o.level[level++]);
        detection d = o.kind == detector_kind::retinaface ? detail::decode_retinaface(o.level[level], cell)
                                                          : detail::decode_blazeface(o.level[level], cell);
        d.score = sorted[i].score;
        const bool unfit = fmaxf(d.box.width, d.box.height) > options.largest || !o.inside.contain(d.box);
        to_frame(d, o.fit);
        name_sides(d);
        d.area = region_of(d, options.region_scale);
        scratch->decoded[i] = d;
        scratch->gone[i] = plausible(d, o) && !unfit ? 0 : 1;
        for (std::int32_t k = 0; k < before; ++k) {
            if (is_of(out->items()[k].box, d.box, options.max_overlap)) scratch->gone[i] = 1;
        }
    }
    block.sync();

    std::int32_t kept = before, lost = found - count;
    for (std::int32_t i = 0; i < count; ++i) {
        if (scratch->gone[i] != 0) continue;  // uniform over the block: not written between barriers
        if (kept >= options.max_faces) {
            ++lost;
            continue;
        }
        const detection& winner = scratch->decoded[i];
        if (block.thread() == 0) out->items()[kept] = winner;
        ++kept;
        for (std::int32_t j = i + 1 + block.thread(); j < count; j += block.threads()) {
            if (intersection_over_union(winner.box, scratch->decoded[j].box) > options.max_overlap)
                scratch->gone[j] = 1;
        }
        block.sync();
    }
    if (block.thread() == 0) {
        out->overflow = lost + (options.further ? out->overflow : 0);
        out->count = kept;
    }
    block.sync();
}

}  // namespace faceflow::internal::vision
