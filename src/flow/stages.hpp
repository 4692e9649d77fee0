// SPDX-License-Identifier: Apache-2.0
// The stages between capture and track, as work on a stream. A flow decides on which streams, threads and in which
// processes they run, and where the memory between them lies.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "device/device.hpp"
#include "faceflow/options.hpp"
#include "flow/models.hpp"
#include "flow/workspace.hpp"
#include "frame/frame.hpp"
#include "frame/host_frame.hpp"
#include "telemetry/metrics.hpp"
#include "vision/kernels.hpp"

namespace faceflow::flow {

// Frames that go through the stages together, of one source or several. At most vision::max_pass_frames.
using pass_frames = std::span<const frame>;

// One device with what computes on it. Thread-safe: memory and streams are the caller's.
class stages {
public:
    stages(device& on, const model_set& models, const options& o, metrics& m);

    // detect: letterbox, detector, decoding, NMS, regions -> faces.of, a set per frame.
    void detect(stream& on, detector_memory& memory, pass_frames frames, const vision::face_table& faces) const;
    // region: faces [first, first + count) of the pass -> the first of `crops`, as far as there are so many.
    void region(stream& on, pass_frames frames, const vision::face_table& faces, std::int32_t first,
                vision::crop_target crops, std::int32_t count) const;
    // landmark: meshes of those crops -> records in `results`; count <= memory.capacity(). Where kernels are host functions, the
    // model runs on the faces that there are. On a GPU the host does not know: it runs on `count` crops, and what it makes of
    // those without a face is left out.
    void landmark(stream& on, mesh_memory& memory, pass_frames frames, const vision::face_table& faces,
                  std::int32_t first, std::int32_t count, const vision::pass_results& results) const;
    // Where frame i's faces are looked for in the next frame of its source, if that one is not detected in.
    void carry(stream& on, const vision::pass_results& results, std::int32_t i, vision::detection_set* next) const;

    [[nodiscard]] device& owner() const noexcept { return device_; }
    [[nodiscard]] const options& chosen() const noexcept { return options_; }
    [[nodiscard]] metrics& counters() const noexcept { return metrics_; }
    [[nodiscard]] const model_set& models() const noexcept { return models_; }

private:
    // The stage's time is that of the span that ends here.
    void end(stream& on, stage s, const frame_id& frame) const;
    void look(stream& on, detector_memory& memory, pass_frames frames, const vision::detect_options& chosen,
              const vision::face_table& faces) const;
    void mesh_on_host(stream& on, mesh_memory& memory, const vision::face_table& faces, std::int32_t first,
                      std::int32_t count) const;
    void mesh_on_device(stream& on, mesh_memory& memory, std::int32_t count) const;
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
