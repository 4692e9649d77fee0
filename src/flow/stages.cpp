#include "flow/stages.hpp"

#include <algorithm>
#include <chrono>

namespace faceflow::flow {
namespace {

using clock = std::chrono::steady_clock;

// Start of the running stage on this thread: host kernels of one stage run on one thread, in order.
thread_local clock::time_point stage_start;

vision::mesh_options mesh_options_of(const options& o, const frame& f) {
    vision::mesh_options m;
    m.model_size = mesh_input_size;
    m.focal = o.focal_length;
    m.frame_width = static_cast<float>(f.picture.upright_width());
    m.frame_height = static_cast<float>(f.picture.upright_height());
    m.mouth_from_mesh = o.detector == detector::blazeface;
    return m;
}

}  // namespace

stages::stages(device& on, const model_set& models, const options& o, metrics& m)
    : device_(on),
      models_(models),
      options_(o),
      metrics_(m),
      kernels_(vision::make_host_kernels(on)) {}

void stages::begin(stream& on) const {
    on.run([]() -> result<void> {
        stage_start = clock::now();
        return {};
    });
}

void stages::end(stream& on, stage s, const frame_id& frame) const {
    on.run([this, s, frame, where = &on.label()]() -> result<void> {
        record_stage(metrics_, s, *where, frame, stage_start, clock::now());
        return {};
    });
}

void stages::detect(stream& on, workspace& w, const frame& f) const {
    begin(on);
    vision::detector_output output = w.detector_outputs(models_);
    output.fit =
        vision::fit(f.picture.upright_width(), f.picture.upright_height(), models_.detect_width, models_.detect_height);
    output.frame_width = static_cast<float>(f.picture.upright_width());
    output.frame_height = static_cast<float>(f.picture.upright_height());
    kernels_->letterbox(
        on, f.picture, output.fit,
        {w.detector_input(), models_.detect_width, models_.detect_height, models_.detect_scale, models_.detect_bias});
    on.run([&w] { return w.detector().run(); });
    const vision::detect_options chosen{.min_score = options_.min_score, .max_faces = options_.max_faces};
    kernels_->detect(on, output, chosen, w.scratch(), w.faces());
    end(on, stage::detect, f.id);
}

void stages::carry(stream& on, workspace& w, const frame_id& frame, const vision::result_block* before) const {
    begin(on);
    kernels_->carry(on, before, options_.min_presence, vision::detect_options{}.region_scale, w.faces());
    end(on, stage::detect, frame);
}

void stages::region(stream& on, workspace& w, const frame& f, std::int32_t first) const {
    begin(on);
    const std::int32_t at_once = options_.batch ? mesh_batch : 1;
    for (std::int32_t i = 0; i < mesh_batch; i += at_once) {
        float* crops = w.crops() + std::ptrdiff_t{i} * 3 * mesh_input_size * mesh_input_size;
        kernels_->crop(on, f.picture, w.faces(), first + i, {crops, mesh_input_size, at_once});
    }
    end(on, stage::region, f.id);
}

void stages::landmark(stream& on, workspace& w, const frame& f, std::int32_t first,
                      vision::result_block* results) const {
    begin(on);
    // How many faces there are is known on the device alone.
    auto* faces =
        reinterpret_cast<vision::detection_set*>(device_.kernel_address(reinterpret_cast<std::byte*>(w.faces())));
    if (options_.batch) {
        on.run([&w, faces, first]() -> result<void> {
            const std::int32_t n = std::min(faces->count - first, mesh_batch);
            return n > 0 ? w.mesh(n).run() : result<void>{};
        });
    } else {
        for (std::int32_t i = 0; i < mesh_batch; ++i) {
            on.run([&w, faces, at = first + i, i]() -> result<void> {
                return at < faces->count ? w.mesh_alone(i).run() : result<void>{};
            });
        }
    }
    kernels_->finish(on, w.faces(), first, mesh_batch, {w.mesh_landmarks(), w.mesh_scores()},
                     mesh_options_of(options_, f), results);
    end(on, stage::landmark, f.id);
}

result<workspace> stages::make_workspace() const {
    return workspace::create(device_, models_, options_.max_faces);
}

result<device_buffer> stages::make_results() const {
    return device_buffer::allocate(
        device_.pool(), vision::result_block::bytes(static_cast<std::size_t>(options_.max_faces + mesh_batch - 1)));
}

frame_faces faces_of(const vision::result_block& results, const host_frame& of, float min_presence) {
    frame_faces out{of.id, of.pts_ns, of.picture.upright_width(), of.picture.upright_height(), {}};
    out.faces.reserve(static_cast<std::size_t>(results.filled));
    for (std::int32_t i = 0; i < results.filled; ++i) {
        const vision::face_record& r = results.records()[i];
        if (!(r.presence >= min_presence)) continue;
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
