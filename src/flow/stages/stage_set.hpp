// SPDX-License-Identifier: Apache-2.0
// The stages between capture and track, as work on a stream. A flow decides on which streams, threads and processes
// they run, and where the memory between them lies.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>

#include "device/device.hpp"
#include "faceflow/options.hpp"
#include "flow/stages/detect_schedule.hpp"
#include "flow/stages/models.hpp"
#include "flow/stages/workspace.hpp"
#include "frame/frame.hpp"
#include "frame/host_frame.hpp"
#include "telemetry/metrics.hpp"
#include "vision/kernels.hpp"

namespace faceflow::internal::flow {

// Frames of one pass, of one source or several; at most vision::max_pass_frames.
using pass_frames = std::span<const frame>;

// A pass: its frames, where their faces lie, and where the landmark stage writes results.
struct frame_pass {
    pass_frames frames;
    vision::face_table faces;
    vision::pass_results results = {};
};

// The stages of one device. Thread-safe: callers own memory and streams. Records each stage's time and notes its name
// for the thread (see stage_scope).
class stage_set {
public:
    stage_set(device& d, const model_set& models, const options& o, metrics& m);

    // detect: letterbox, detector, decoding, NMS, regions -> faces.of, one set per frame.
    void detect(stream& s, detector_memory& memory, pass_frames frames, const vision::face_table& faces) const;
    // region: crops faces [first, first + count) of the pass, as far as there are that many, into the first of `crops`.
    void region(stream& s, const frame_pass& p, std::int32_t first, vision::crop_target crops,
                std::int32_t count) const;
    // landmark: meshes of those crops -> records in p.results; count <= memory.capacity(). Where kernels are host
    // functions, the model runs on the actual faces. On a GPU the host does not know their number: the model runs on
    // `count` crops, and its output for crops without a face is ignored.
    void landmark(stream& s, mesh_memory& memory, const frame_pass& p, std::int32_t first, std::int32_t count) const;

    // region and landmark for faces [first, end), memory.capacity() at a time.
    struct face_range {
        std::int32_t first = 0, end = 0;
        bool first_is_cropped = false;                // faces [0, capacity) are already cropped
        std::function<void()> after_batch = nullptr;  // called after each enqueued batch
    };
    void crop_and_mesh(stream& s, mesh_memory& memory, const frame_pass& p, const face_range& range) const;

    // Adds what was detected in some frames to the faces that are followed there: found.of[i] -> faces.of[i].
    // `begins[i]`: nothing is followed yet.
    void merge(stream& s, const vision::face_table& found, const vision::face_table& faces,
               std::span<const bool> begins) const;

    // Computes from a pass's results where to look for its faces in the next frame of each source.
    void propagate(stream& s, const vision::pass_results& results, const vision::face_table& faces) const;

    [[nodiscard]] device& owner() const noexcept { return device_; }
    [[nodiscard]] const options& chosen() const noexcept { return options_; }
    [[nodiscard]] metrics& counters() const noexcept { return metrics_; }
    [[nodiscard]] const model_set& models() const noexcept { return models_; }

private:
    // Ends the span; its length is the stage's time.
    void end(stream& s, stage at, const frame_id& frame) const;
    // What the detector sees as one picture: a frame, or a tile of it.
    struct view {
        image of;
        vision::letterbox fit;
        vision::bounds inside = {};
        vision::detection_set* faces;
    };
    void look(stream& s, detector_memory& memory, std::span<const view> views,
              const vision::detect_options& chosen) const;
    void look_at_tiles(stream& s, detector_memory& memory, std::span<const view> frames,
                       vision::detect_options chosen) const;
    void add_model(stream& s, inference::bound_network& model, const vision::face_batch& batch) const;
    [[nodiscard]] vision::face_table mapped(vision::face_table faces) const;

    device& device_;
    const model_set& models_;
    const options& options_;
    metrics& metrics_;
    std::unique_ptr<vision::kernels> kernels_;
};

// What merging and propagating do with these options, for callers that have detections in host memory.
[[nodiscard]] vision::merge_options merge_options_of(const options& o);

// What became of the faces that were followed into frame `i` of a pass. As faces_of, which has accepted the results.
[[nodiscard]] followed_state followed_state_of(const vision::pass_results& results, std::int32_t i, std::int32_t room,
                                               float min_presence);

// The faces of frame `i` of a pass, without those below the presence threshold. The results lie in host memory, with
// `room` records behind the headers; another process may be writing arbitrary data there. errc::corrupt for records
// outside that room, or ones with no face near a picture.
[[nodiscard]] result<frame_faces> faces_of(const vision::pass_results& results, std::int32_t i, std::int32_t room,
                                           const host_frame& of, float min_presence);

}  // namespace faceflow::internal::flow
