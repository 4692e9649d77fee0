// SPDX-License-Identifier: Apache-2.0
// The stages' work on a pass as a GPU does it: by blocks of threads, each of which finds its share from its place in
// the launch. Templates over the block, so that a kernel runs them with CUDA's threads, and a test with its own, one
// thread after another.
//
// A block has thread(), threads(), sync() and add(), as serial_block in detect.hpp; results are the same bytes for any
// number of threads. Arguments are passed to kernels by value, so they must fit a launch.
#pragma once

#include <cstdint>
#include <span>

#include "vision/blendshapes.hpp"
#include "vision/detect.hpp"
#include "vision/merge.hpp"
#include "vision/mesh.hpp"
#include "vision/quality.hpp"
#include "vision/records.hpp"
#include "vision/sampling.hpp"

namespace faceflow::internal::vision {

// Limit of a launch's parameters, in bytes, on every CUDA version and card.
inline constexpr std::size_t max_launch_bytes = 4096;

// The tile of output pixels that one block fills: lines of 128 bytes in each plane, and high enough that neighbours in
// a turned picture share reads.
inline constexpr std::int32_t tile_width = 32, tile_height = 8;

struct tile_grid {
    std::int32_t columns = 0, rows = 0;
    FACEFLOW_HD std::int32_t tiles() const { return columns * rows; }
};

FACEFLOW_HD inline tile_grid tiles_over(std::int32_t width, std::int32_t height) {
    return {(width + tile_width - 1) / tile_width, (height + tile_height - 1) / tile_height};
}

// Neighbouring pixels of a row that one thread produces: each plane is then written 16 bytes at a time, and four
// look-ups are in flight.
inline constexpr std::int32_t run_width = 4;
inline constexpr std::int32_t tile_runs = tile_width / run_width * tile_height;

struct alignas(16) four_floats {
    float of[run_width];
};

// The same as halves: two pixels per 16 bytes.
struct alignas(16) two_pixels {
    std::uint16_t of[8];
};

FACEFLOW_HD inline void store_packed_run(const tensor_target& t, std::int32_t u, std::int32_t v,
                                         const rgb<float> (&run)[run_width]) {
    auto* const out = reinterpret_cast<two_pixels*>(t.data) + (static_cast<std::ptrdiff_t>(v) * t.width + u) / 2;
    FACEFLOW_UNROLL
    for (std::int32_t k = 0; k < run_width; k += 2) {
        const rgb<float>&a = run[k], &b = run[k + 1];
        out[k / 2] = {{half_bits(a.r * t.scale + t.bias), half_bits(a.g * t.scale + t.bias),
                       half_bits(a.b * t.scale + t.bias), 0, half_bits(b.r * t.scale + t.bias),
                       half_bits(b.g * t.scale + t.bias), half_bits(b.b * t.scale + t.bias), 0}};
    }
}

// Stores a run that begins at (u, v). The target's width is a multiple of a run, and its data is aligned.
FACEFLOW_HD inline void store_run(const tensor_target& t, std::int32_t u, std::int32_t v,
                                  const rgb<float> (&run)[run_width]) {
    if (t.format == tensor_format::packed_half) return store_packed_run(t, u, v, run);
    four_floats r, g, b;
    for (std::int32_t k = 0; k < run_width; ++k) {
        r.of[k] = run[k].r * t.scale + t.bias;
        g.of[k] = run[k].g * t.scale + t.bias;
        b.of[k] = run[k].b * t.scale + t.bias;
    }
    const std::ptrdiff_t area = static_cast<std::ptrdiff_t>(t.width) * t.height;
    float* const out = t.floats() + static_cast<std::ptrdiff_t>(v) * t.width + u;
    *reinterpret_cast<four_floats*>(out) = r;
    *reinterpret_cast<four_floats*>(out + area) = g;
    *reinterpret_cast<four_floats*>(out + 2 * area) = b;
}

// Fills tile `tile` of a target with the colours from pixel(u, v).
template <class Block, class Pixel>
FACEFLOW_HD void fill_tile(Block block, const tensor_target& t, std::int32_t tile, const Pixel& pixel) {
    const std::int32_t columns = tiles_over(t.width, t.height).columns;
    const std::int32_t left = tile % columns * tile_width, top = tile / columns * tile_height;
    const bool whole = t.width % run_width == 0 && reinterpret_cast<std::uintptr_t>(t.data) % sizeof(four_floats) == 0;
    for (std::int32_t i = block.thread(); i < tile_runs; i += block.threads()) {
        const std::int32_t u = left + i % (tile_width / run_width) * run_width, v = top + i / (tile_width / run_width);
        if (u >= t.width || v >= t.height) continue;
        if (whole) {
            rgb<float> run[run_width];
            FACEFLOW_UNROLL
            for (std::int32_t k = 0; k < run_width; ++k)
                run[k] = pixel(u + k, v);
            store_run(t, u, v, run);
        } else {
            for (std::int32_t k = 0; k < run_width && u + k < t.width; ++k)
                scalar::store(t, u + k, v, pixel(u + k, v));
        }
    }
}

// ---- whole frames into the detector's input ------------------------------------------------------------------------

struct letterbox_pass {
    struct one {
        sampling_source source;
        affine stored_from_target;
        std::int32_t x_begin = 0, x_end = 0, y_begin = 0, y_end = 0;  // the part that shows the frame
    };
    one of[max_pass_frames];
    std::int32_t frames = 0;
    tensor_target target;  // of frame 0; the others follow
};
static_assert(sizeof(letterbox_pass) <= max_launch_bytes);

[[nodiscard]] letterbox_pass make_letterbox_pass(std::span<const image> pictures, std::span<const letterbox> fits,
                                                 const tensor_target& target);

// Fills tile `tile` of frame `frame`'s input.
template <class Block>
FACEFLOW_HD void letterbox_tile(Block block, const letterbox_pass& pass, std::int32_t frame, std::int32_t tile) {
    const letterbox_pass::one& one = pass.of[frame];
    tensor_target t = pass.target;
    t.data += frame * t.bytes();
    fill_tile(block, t, tile, [&one](std::int32_t u, std::int32_t v) {
        const bool shows = u >= one.x_begin && u < one.x_end && v >= one.y_begin && v < one.y_end;
        return shows ? scalar::sample_pixel(one.source, one.stored_from_target, u, v) : rgb<float>{0, 0, 0};
    });
}

// ---- regions into the mesh model's input ---------------------------------------------------------------------------

struct crop_pass {
    sampling_source source[max_pass_frames];
    face_table faces;
    std::int32_t first = 0;
    tensor_target target;  // of face `first`; the others follow
};
static_assert(sizeof(crop_pass) <= max_launch_bytes);

[[nodiscard]] crop_pass make_crop_pass(std::span<const image> pictures, const face_table& faces, std::int32_t first,
                                       const tensor_target& target);

// Fills tile `tile` of the crop of face first + `number`; does nothing if the pass has no such face.
template <class Block>
FACEFLOW_HD void crop_tile(Block block, const crop_pass& pass, std::int32_t number, std::int32_t tile) {
    const face_position at = locate(pass.faces, pass.first + number);
    if (at.frame < 0) return;
    const sampling_source& source = pass.source[at.frame];
    const region& area = pass.faces.of[at.frame]->items()[at.item].area;
    const affine map = compose(source.stored, frame_from_region(area, static_cast<float>(pass.target.width)));
    tensor_target t = pass.target;
    t.data += number * t.bytes();
    fill_tile(block, t, tile, [&](std::int32_t u, std::int32_t v) { return scalar::sample_pixel(source, map, u, v); });
}

// ---- detector outputs to faces -------------------------------------------------------------------------------------

struct detect_pass {
    detector_output outputs[max_pass_frames];
    detect_options options;
    detect_scratch* scratch = nullptr;  // one per frame
    face_table faces;
};
static_assert(sizeof(detect_pass) <= max_launch_bytes);

[[nodiscard]] detect_pass make_detect_pass(std::span<const detector_output> outputs, const detect_options& options,
                                           detect_scratch* scratch, const face_table& faces);

// Processes frame `frame` with one block.
template <class Block>
FACEFLOW_HD void detect_frame(Block block, const detect_pass& pass, std::int32_t frame) {
    detect_faces(block, pass.outputs[frame], pass.options, pass.scratch + frame, pass.faces.of[frame]);
}

// ---- detections to the faces that are followed --------------------------------------------------------------------

struct merge_pass {
    face_table found, faces;
    merge_options options;
    bool begins[max_pass_frames] = {};
};
static_assert(sizeof(merge_pass) <= max_launch_bytes);

[[nodiscard]] merge_pass make_merge_pass(const face_table& found, const face_table& faces, std::span<const bool> begins,
                                         const merge_options& options);

// Processes frame `frame` with one block.
template <class Block>
FACEFLOW_HD void merge_frame(Block block, const merge_pass& pass, std::int32_t frame) {
    merge_options options = pass.options;
    options.begins = pass.begins[frame];
    merge_faces(block, options, pass.found.of[frame], pass.faces.of[frame]);
}

// ---- mesh outputs to records ---------------------------------------------------------------------------------------

// Limit of the pose fit's anchors in a launch; passed by value, they need no transfer and no memory of their own.
inline constexpr std::int32_t max_pose_anchors = 64;

// Copies the anchors of the canonical face (mesh_data.hpp); returns their number.
std::int32_t canonical_anchors(std::span<pose_anchor, max_pose_anchors> into);

struct finish_pass {
    face_table faces;
    std::int32_t first = 0, capacity = 0;
    mesh_output mesh;
    mesh_options options[max_pass_frames];
    pass_results results;
    pose_anchor anchors[max_pose_anchors];
    std::int32_t anchor_count = 0;
};
static_assert(sizeof(finish_pass) <= max_launch_bytes);

[[nodiscard]] finish_pass make_finish_pass(const face_batch& batch, const mesh_output& mesh,
                                           std::span<const mesh_options> options, const pass_results& results);

// Writes the record of face first + `number`, but for its quality, with one block; block 0 also updates the headers.
template <class Block>
FACEFLOW_HD void finish_number(Block block, const finish_pass& pass, std::int32_t number) {
    const face_position at = locate(pass.faces, pass.first + number);
    // Without a face in this round, the headers are already correct, except in the first round.
    if (number == 0 && block.thread() == 0 && (at.frame >= 0 || pass.first == 0))
        begin_results(pass.faces, pass.first, pass.capacity, pass.results);
    if (at.frame < 0) return;
    face_record* const record = pass.results.records() + pass.first + number;
    make_record(block, pass.faces.of[at.frame]->items()[at.item],
                pass.mesh.landmarks + static_cast<std::ptrdiff_t>(number) * landmark_count * 3,
                pass.mesh.scores[number], {pass.anchors, pass.anchor_count}, pass.options[at.frame], record);
    if (pass.mesh.points != nullptr)
        take_points(block, *record, pass.mesh.points + static_cast<std::ptrdiff_t>(number) * blendshape_points);
}

// The quality of face first + `number`, with one block, which shares `scratch`. Other blocks may write the rest of the
// record meanwhile.
template <class Block>
FACEFLOW_HD void measure_number(Block block, const finish_pass& pass, std::int32_t number, quality_scratch& scratch) {
    if (locate(pass.faces, pass.first + number).frame < 0) return;
    picture_quality* const quality = &pass.results.records()[pass.first + number].quality;
    tensor_target crop = pass.mesh.crops;
    if (crop.data == nullptr) {
        if (block.thread() == 0) *quality = {};
        return;
    }
    crop.data += number * crop.bytes();
    measure_quality(block, crop, scratch, quality);
}

struct blendshape_pass {
    face_table faces;
    std::int32_t first = 0, capacity = 0;
    const float* values = nullptr;  // capacity x blendshape_count
    pass_results results;
};

// The blendshapes of face first + `number`, with one block.
template <class Block>
FACEFLOW_HD void put_number(Block block, const blendshape_pass& pass, std::int32_t number) {
    if (locate(pass.faces, pass.first + number).frame < 0) return;
    put_blendshapes(block, pass.values + static_cast<std::ptrdiff_t>(number) * blendshape_count,
                    pass.results.records() + pass.first + number);
}

}  // namespace faceflow::internal::vision
