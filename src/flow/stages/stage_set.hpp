// SPDX-License-Identifier: Apache-2.0
// The stages between capture and track, as work on a stream. A flow decides on which streams, threads and in which
// processes they run, and where the memory between them lies.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>

#include "device/device.hpp"
#include "faceflow/options.hpp"
#include "flow/stages/models.hpp"
#include "flow/stages/workspace.hpp"
#include "frame/frame.hpp"
#include "frame/host_frame.hpp"
#include "telemetry/metrics.hpp"
#include "vision/kernels.hpp"

namespace faceflow::flow {

// Frames that go through the stages together, of one source or several. At most vision::max_pass_frames.
using pass_frames = std::span<const frame>;

// A pass: its frames, where the faces of each lie, and where its results go (for the landmark stage).
struct frame_pass {
    pass_frames frames;
    vision::face_table faces;
    vision::pass_results results = {};
};

// One device with what computes on it. Thread-safe: memory and streams are the caller's. Each stage's time is recorded, and its
// name noted for the thread (see stage_scope).
class stage_set {
public:
    stage_set(device& d, const model_set& models, const options& o, metrics& m);

    // detect: letterbox, detector, decoding, NMS, regions -> faces.of, a set per frame.
    void detect(stream& s, detector_memory& memory, pass_frames frames, const vision::face_table& faces) const;
    // region: faces [first, first + count) of the pass -> the first of `crops`, as far as there are so many.
    void region(stream& s, const frame_pass& p, std::int32_t first, vision::crop_target crops,
                std::int32_t count) const;
    // landmark: meshes of those crops -> records in p.results; count <= memory.capacity(). Where kernels are host functions, the
    // model runs on the faces that there are. On a GPU the host does not know: it runs on `count` crops, and what it makes of
    // those without a face is left out.
    void landmark(stream& s, mesh_memory& memory, const frame_pass& p, std::int32_t first, std::int32_t count) const;

    // region and landmark for faces [first, end), memory.capacity() at a time.
    struct face_range {
        std::int32_t first = 0, end = 0;
        bool first_is_cropped = false;                // faces [0, capacity) are among the crops already
        std::function<void()> after_batch = nullptr;  // called when a batch has been enqueued
    };
    void crop_and_mesh(stream& s, mesh_memory& memory, const frame_pass& p, const face_range& range) const;

    // Where frame i's faces are looked for in the next frame of its source, if that one is not detected in.
    void propagate(stream& s, const vision::pass_results& results, std::int32_t i, vision::detection_set* next) const;

    [[nodiscard]] device& owner() const noexcept { return device_; }
    [[nodiscard]] const options& chosen() const noexcept { return options_; }
    [[nodiscard]] metrics& counters() const noexcept { return metrics_; }
    [[nodiscard]] const model_set& models() const noexcept { return models_; }

private:
    // The stage's time is that of the span that ends here.
    void end(stream& s, stage at, const frame_id& frame) const;
    void look(stream& s, detector_memory& memory, pass_frames frames, const vision::detect_options& chosen,
              const vision::face_table& faces) const;
    void mesh_on_host(stream& s, mesh_memory& memory, const vision::face_table& faces, std::int32_t first,
                      std::int32_t count) const;
    void mesh_on_device(stream& s, mesh_memory& memory, std::int32_t count) const;
    [[nodiscard]] vision::face_table mapped(vision::face_table faces) const;

    device& device_;
    const model_set& models_;
    const options& options_;
    metrics& metrics_;
    std::unique_ptr<vision::kernels> kernels_;
};

// The faces of frame `i` of a pass, those below the presence threshold left out. The results lie in host memory, with `room`
// records behind the headers; another process may be writing them, whatever it likes. errc::corrupt for records that are not
// there, or that hold no face near a picture.
[[nodiscard]] result<frame_faces> faces_of(const vision::pass_results& results, std::int32_t i, std::int32_t room,
                                           const host_frame& of, float min_presence);

}  // namespace faceflow::flow
