// SPDX-License-Identifier: Apache-2.0
#include "flow/stages/stage_set.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include "backends/back_end.hpp"
#include "core/read_once.hpp"
#include "device/stage_scope.hpp"
#include "vision/tiles.hpp"

namespace faceflow::internal::flow {
namespace {

vision::mesh_options mesh_options_of(const options& o, std::int32_t crop_size, const frame& f) {
    vision::mesh_options m;
    m.model_size = static_cast<float>(crop_size);
    m.focal = o.focal_length;
    m.frame_width = static_cast<float>(f.picture.upright_width());
    m.frame_height = static_cast<float>(f.picture.upright_height());
    m.mouth_from_mesh = o.detector != detector::retinaface;
    return m;
}

std::vector<image> pictures_of(pass_frames frames) {
    std::vector<image> pictures;
    pictures.reserve(frames.size());
    for (const frame& f : frames)
        pictures.push_back(f.picture);
    return pictures;
}

// In pixels; larger faces are found in the whole frame, and RetinaFace's largest anchors have 512.
constexpr float largest_in_tile = 320;

// Whether the record's numbers are plausible for a face near a picture: the tracker and writers rely on it.
bool sound(const vision::face_record& r) {
    constexpr float most = 1e6f;
    const auto near = [](float x) { return x >= -most && x <= most; };
    const auto all_near = [&](const auto& of) {
        constexpr std::size_t bytes = sizeof(of);
        std::array<float, bytes / sizeof(float)> numbers;
        static_assert(sizeof numbers == bytes);
        std::memcpy(numbers.data(), &of, bytes);
        return std::all_of(numbers.begin(), numbers.end(), near);
    };
    const bool shares = std::ranges::none_of(r.blendshapes, [](float b) { return b < 0 || b > 1; });  // NaN: none
    const auto measured = [](float x, float most_of_it) { return !(x < 0 || x > most_of_it); };  // NaN: not measured
    const bool quality =
        measured(r.quality.brightness, 255) && measured(r.quality.contrast, 255) && measured(r.quality.sharpness, most);
    return all_near(r.found) && near(r.presence) && all_near(r.landmarks) && all_near(r.pose) && shares && quality;
}

}  // namespace

stage_set::stage_set(device& d, const model_set& models, const options& o, metrics& m)
    : device_(d),
      models_(models),
      options_(o),
      metrics_(m),
      kernels_(make_kernels(d)) {}

void stage_set::end(stream& s, stage at, const frame_id& frame) const {
    s.end_span([this, at, frame, where = &s.label()](auto begin, auto end) {
        record_stage(metrics_, {.at = at, .where = *where, .frame = frame, .begin = begin, .end = end});
    });
}

vision::face_table stage_set::mapped(vision::face_table faces) const {
    for (std::int32_t i = 0; i < faces.frames; ++i) {
        faces.of[i] =
            reinterpret_cast<vision::detection_set*>(device_.kernel_address(reinterpret_cast<std::byte*>(faces.of[i])));
    }
    return faces;
}

void stage_set::detect(stream& s, detector_memory& memory, pass_frames frames, const vision::face_table& faces) const {
    if (frames.empty()) return;
    const stage_scope note({stage::detect, frames.front().id});
    s.begin_span();
    const vision::tensor_target input = memory.input();
    std::vector<view> whole;
    whole.reserve(frames.size());
    for (const frame& f : frames) {
        const auto fit = vision::fit(f.picture.upright_width(), f.picture.upright_height(), input.width, input.height);
        whole.push_back({.of = f.picture, .fit = fit, .faces = faces.of[whole.size()]});
    }
    const vision::detect_options chosen{.min_score = options_.min_score, .max_faces = options_.max_faces};
    look(s, memory, whole, chosen);
    if (memory.of_tiles() != nullptr) look_at_tiles(s, *memory.of_tiles(), whole, chosen);
    end(s, stage::detect, frames.front().id);
}

// Tile by tile, in all frames that have so many.
void stage_set::look_at_tiles(stream& s, detector_memory& memory, std::span<const view> frames,
                              vision::detect_options chosen) const {
    chosen.further = true;
    chosen.largest = largest_in_tile;
    const vision::tensor_target input = memory.input();
    std::vector<vision::frame_tiles> grids;
    grids.reserve(frames.size());
    for (const view& f : frames) {
        grids.emplace_back(f.of.upright_width(), f.of.upright_height(), options_.tiles, f.fit.scale, input.width,
                           input.height);
    }
    std::vector<view> tiles;
    for (std::int32_t number = 0; number == 0 || !tiles.empty(); ++number) {
        tiles.clear();
        for (std::size_t i = 0; i < frames.size(); ++i) {
            if (number >= grids[i].count()) continue;
            tiles.push_back({frames[i].of, grids[i].tile(number), grids[i].inside(number), frames[i].faces});
        }
        look(s, memory, tiles, chosen);
    }
}

void stage_set::look(stream& s, detector_memory& memory, std::span<const view> views,
                     const vision::detect_options& chosen) const {
    if (views.empty()) return;
    std::vector<vision::detector_output> outputs;
    std::vector<vision::letterbox> fits;
    std::vector<image> pictures;
    vision::face_table faces;
    for (const view& v : views) {
        vision::detector_output& o = outputs.emplace_back(memory.outputs(faces.frames));
        o.fit = v.fit;
        o.inside = v.inside;
        o.frame_width = static_cast<float>(v.of.upright_width());
        o.frame_height = static_cast<float>(v.of.upright_height());
        fits.push_back(v.fit);
        pictures.push_back(v.of);
        faces.of[faces.frames++] = v.faces;
    }
    kernels_->letterbox(s, pictures, fits, memory.input());
    memory.add_run(s, faces.frames);
    kernels_->detect(s, outputs, chosen, memory.scratch(), faces);
}

void stage_set::region(stream& s, const frame_pass& p, std::int32_t first, vision::crop_target crops,
                       std::int32_t count) const {
    const stage_scope note({stage::region, p.frames.front().id});
    s.begin_span();
    const auto pictures = pictures_of(p.frames);
    crops.capacity = options_.tuning.batch ? count : 1;
    const std::size_t bytes_at_once = static_cast<std::size_t>(crops.capacity) * crops.picture(crops.data).bytes();
    for (std::int32_t i = 0; i < count; i += crops.capacity) {
        kernels_->crop(s, pictures, p.faces, first + i, crops);
        crops.data += bytes_at_once;
    }
    end(s, stage::region, p.frames.front().id);
}

void stage_set::landmark(stream& s, mesh_memory& memory, const frame_pass& p, std::int32_t first,
                         std::int32_t count) const {
    const stage_scope note({stage::landmark, p.frames.front().id});
    s.begin_span();
    const vision::face_batch batch{p.faces, first, count};
    add_model(s, memory.model(), batch);
    std::vector<vision::mesh_options> chosen;
    chosen.reserve(p.frames.size());
    for (const frame& f : p.frames)
        chosen.push_back(mesh_options_of(options_, models_.mesh_graph.size, f));
    kernels_->finish(s, batch, memory.outputs(), chosen, p.results);
    if (memory.blendshapes() != nullptr) {
        add_model(s, *memory.blendshapes(), batch);
        kernels_->put_blendshapes(s, batch, memory.blendshape_values(), p.results);
    }
    end(s, stage::landmark, p.frames.front().id);
}

void stage_set::crop_and_mesh(stream& s, mesh_memory& memory, const frame_pass& p, const face_range& range) const {
    for (std::int32_t first = range.first; first < range.end;) {
        const std::int32_t count = std::min(range.end - first, memory.capacity());
        if (first > 0 || !range.first_is_cropped) region(s, p, first, memory.crops(), count);
        landmark(s, memory, p, first, count);
        if (range.after_batch) range.after_batch();
        first += count;
    }
}

// On a host, the number of faces is known only when the task runs.
void stage_set::add_model(stream& s, inference::bound_network& model, const vision::face_batch& batch) const {
    const std::int32_t at_once = options_.tuning.batch ? batch.capacity : 1;
    const bool on_host = device_.computes_on_host();
    const vision::face_table found = on_host ? mapped(batch.faces) : batch.faces;
    for (std::int32_t i = 0; i < batch.capacity; i += at_once) {
        if (!on_host) {
            model.add_run(s, i, at_once);
            continue;
        }
        s.run([&model, found, from = batch.first + i, i, at_once]() -> result<void> {
            const std::int32_t n = std::min(vision::faces_in(found) - from, at_once);
            return n > 0 ? model.run(i, n) : result<void>{};
        });
    }
}

vision::merge_options merge_options_of(const options& o) {
    return {.min_score = o.min_score, .max_overlap = vision::detect_options{}.max_overlap, .max_faces = o.max_faces};
}

void stage_set::merge(stream& s, const vision::face_table& found, const vision::face_table& faces,
                      std::span<const bool> begins) const {
    if (found.frames > 0) kernels_->merge(s, found, faces, begins, merge_options_of(options_));
}

void stage_set::propagate(stream& s, const vision::pass_results& results, const vision::face_table& faces) const {
    kernels_->propagate(s, results, options_.min_presence, faces);
}

followed_state followed_state_of(const vision::pass_results& results, std::int32_t i, std::int32_t room,
                                 float min_presence) {
    // Where a presence begins to be one of a face that is seen well.
    constexpr float sure = 0.8f;
    followed_state s;
    const auto header = read_once(results.headers + i);
    if (header.first < 0 || header.first > room) return s;
    const std::int32_t count = std::min(header.filled, room - header.first);
    for (std::int32_t k = 0; k < count; ++k) {
        const vision::face_record* const r = results.records() + header.first + k;
        if (!(read_once(&r->found.followed) > 0)) continue;
        const float presence = read_once(&r->presence);
        s.lost = s.lost || !(presence >= min_presence);
        s.doubtful = s.doubtful || !(presence >= sure);
    }
    return s;
}

result<frame_faces> faces_of(const vision::pass_results& results, std::int32_t i, std::int32_t room,
                             const host_frame& of, float min_presence) {
    const auto header = read_once(results.headers + i);
    if (header.filled < 0 || header.first < 0 || header.first > room || header.filled > room - header.first) {
        return fail(errc::corrupt, fmt::format("results of {} faces from number {} on, where there is room for {}",
                                               header.filled, header.first, room));
    }
    frame_faces out{of.id, of.pts_ns, of.picture.upright_width(), of.picture.upright_height(), {}};
    out.faces.reserve(static_cast<std::size_t>(header.filled));
    for (std::int32_t k = 0; k < header.filled; ++k) {
        const auto r = read_once(results.records() + header.first + k);
        if (!(r.presence >= min_presence)) continue;
        if (!sound(r)) return fail(errc::corrupt, fmt::format("face {} of the results lies nowhere near a picture", k));
        face& f = out.faces.emplace_back();
        f.score = r.found.score;
        f.presence = r.presence;
        f.box = r.found.box;
        std::copy(std::begin(r.found.keypoints), std::end(r.found.keypoints), f.keypoints.begin());
        std::copy(std::begin(r.landmarks), std::end(r.landmarks), f.landmarks.begin());
        f.pose = r.pose;
        std::ranges::copy(r.blendshapes, f.blendshapes.begin());
        f.measures.brightness = r.quality.brightness;
        f.measures.contrast = r.quality.contrast;
        f.measures.sharpness = r.quality.sharpness;
    }
    return out;
}

}  // namespace faceflow::internal::flow
