// SPDX-License-Identifier: Apache-2.0
#include "flow/stages.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include "core/read_once.hpp"

namespace faceflow::flow {
namespace {

vision::mesh_options mesh_options_of(const options& o, const frame& f) {
    vision::mesh_options m;
    m.model_size = mesh_input_size;
    m.focal = o.focal_length;
    m.frame_width = static_cast<float>(f.picture.upright_width());
    m.frame_height = static_cast<float>(f.picture.upright_height());
    m.mouth_from_mesh = o.detector == detector::blazeface;
    return m;
}

std::vector<image> pictures_of(pass_frames frames) {
    std::vector<image> pictures;
    pictures.reserve(frames.size());
    for (const frame& f : frames)
        pictures.push_back(f.picture);
    return pictures;
}

// Pixels; larger faces are found in the first look, and RetinaFace's largest anchors have 512.
constexpr float largest_in_closer_look = 320;

// Numbers that a face near a picture has: what tracks and writes faces goes by them.
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
    return all_near(r.found) && near(r.presence) && all_near(r.landmarks) && all_near(r.pose);
}

}  // namespace

stages::stages(device& on, const model_set& models, const options& o, metrics& m)
    : device_(on),
      models_(models),
      options_(o),
      metrics_(m),
      kernels_(vision::make_kernels(on)) {}

void stages::end(stream& on, stage s, const frame_id& frame) const {
    on.end_span([this, s, frame, where = &on.label()](auto begin, auto end) {
        record_stage(metrics_, s, *where, frame, begin, end);
    });
}

vision::face_table stages::mapped(vision::face_table faces) const {
    for (std::int32_t i = 0; i < faces.frames; ++i) {
        faces.of[i] =
            reinterpret_cast<vision::detection_set*>(device_.kernel_address(reinterpret_cast<std::byte*>(faces.of[i])));
    }
    return faces;
}

void stages::detect(stream& on, detector_memory& memory, pass_frames frames, const vision::face_table& faces) const {
    if (frames.empty()) return;
    on.begin_span();
    vision::detect_options chosen{.min_score = options_.min_score, .max_faces = options_.max_faces};
    look(on, memory, frames, chosen, faces);
    if (memory.fine() != nullptr) {
        chosen.further = true;
        chosen.largest = largest_in_closer_look;
        look(on, *memory.fine(), frames, chosen, faces);
    }
    end(on, stage::detect, frames.front().id);
}

void stages::look(stream& on, detector_memory& memory, pass_frames frames, const vision::detect_options& chosen,
                  const vision::face_table& faces) const {
    const vision::tensor_target input = memory.input();
    std::vector<vision::detector_output> outputs;
    std::vector<vision::letterbox> fits;
    outputs.reserve(frames.size());
    fits.reserve(frames.size());
    for (std::size_t i = 0; i < frames.size(); ++i) {
        const image& picture = frames[i].picture;
        vision::detector_output& o = outputs.emplace_back(memory.outputs(static_cast<std::int32_t>(i)));
        o.fit = vision::fit(picture.upright_width(), picture.upright_height(), input.width, input.height);
        o.frame_width = static_cast<float>(picture.upright_width());
        o.frame_height = static_cast<float>(picture.upright_height());
        fits.push_back(o.fit);
    }
    kernels_->letterbox(on, pictures_of(frames), fits, input);
    memory.add_run(on, static_cast<std::int32_t>(frames.size()));
    kernels_->detect(on, outputs, chosen, memory.scratch(), faces);
}

void stages::region(stream& on, pass_frames frames, const vision::face_table& faces, std::int32_t first,
                    vision::crop_target crops, std::int32_t count) const {
    on.begin_span();
    const auto pictures = pictures_of(frames);
    crops.capacity = options_.tuning.batch ? count : 1;
    const std::size_t bytes_at_once = static_cast<std::size_t>(crops.capacity) * crops.picture(crops.data).bytes();
    for (std::int32_t i = 0; i < count; i += crops.capacity) {
        kernels_->crop(on, pictures, faces, first + i, crops);
        crops.data += bytes_at_once;
    }
    end(on, stage::region, frames.front().id);
}

void stages::landmark(stream& on, mesh_memory& memory, pass_frames frames, const vision::face_table& faces,
                      std::int32_t first, std::int32_t count, const vision::pass_results& results) const {
    on.begin_span();
    if (device_.computes_on_host()) {
        mesh_on_host(on, memory, faces, first, count);
    } else {
        mesh_on_device(on, memory, count);
    }
    std::vector<vision::mesh_options> chosen;
    chosen.reserve(frames.size());
    for (const frame& f : frames)
        chosen.push_back(mesh_options_of(options_, f));
    kernels_->finish(on, faces, first, count, memory.outputs(), chosen, results);
    end(on, stage::landmark, frames.front().id);
}

// How many faces there are is known when the task runs.
void stages::mesh_on_host(stream& on, mesh_memory& memory, const vision::face_table& faces, std::int32_t first,
                          std::int32_t count) const {
    const vision::face_table found = mapped(faces);
    if (options_.tuning.batch) {
        on.run([&memory, found, first, count]() -> result<void> {
            const std::int32_t n = std::min(vision::faces_in(found) - first, count);
            return n > 0 ? memory.model().run(0, n) : result<void>{};
        });
        return;
    }
    for (std::int32_t i = 0; i < count; ++i) {
        on.run([&memory, found, at = first + i, i]() -> result<void> {
            return at < vision::faces_in(found) ? memory.model().run(i, 1) : result<void>{};
        });
    }
}

void stages::mesh_on_device(stream& on, mesh_memory& memory, std::int32_t count) const {
    if (options_.tuning.batch) return memory.model().add_run(on, 0, count);
    for (std::int32_t i = 0; i < count; ++i)
        memory.model().add_run(on, i, 1);
}

void stages::carry(stream& on, const vision::pass_results& results, std::int32_t i, vision::detection_set* next) const {
    kernels_->carry(on, results, i, options_.min_presence, vision::detect_options{}.region_scale, next);
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
        if (!sound(r)) return fail(errc::corrupt, fmt::format("face {} of the results is no place in a picture", k));
        face& f = out.faces.emplace_back();
        f.score = r.found.score;
        f.presence = r.presence;
        f.box = r.found.box;
        std::copy(std::begin(r.found.keypoints), std::end(r.found.keypoints), f.keypoints.begin());
        std::copy(std::begin(r.landmarks), std::end(r.landmarks), f.landmarks.begin());
        f.pose = r.pose;
    }
    return out;
}

}  // namespace faceflow::flow
