// The stages between capture and track, as work on a stream. A flow decides on which streams and threads they run.
#pragma once

#include <cstdint>
#include <memory>

#include "device/device.hpp"
#include "faceflow/options.hpp"
#include "flow/models.hpp"
#include "flow/workspace.hpp"
#include "frame/frame.hpp"
#include "frame/host_frame.hpp"
#include "telemetry/metrics.hpp"
#include "vision/kernels.hpp"

namespace faceflow::flow {

// One device with what computes on it. Thread-safe: workspaces and streams are the caller's.
class stages {
public:
    stages(device& on, const model_set& models, const options& o, metrics& m);

    // Device memory for one frame in work.
    [[nodiscard]] result<workspace> make_workspace() const;
    // Device memory for the results of a source's last frame: what goes down, and what a skipped detection starts from.
    [[nodiscard]] result<device_buffer> make_results() const;

    // detect: letterbox, detector, decoding, NMS, regions -> w.faces().
    void detect(stream& on, workspace& w, const frame& f) const;
    // In place of detect: the faces of the source's frame before, from `before` -> w.faces().
    void carry(stream& on, workspace& w, const frame_id& frame, const vision::result_block* before) const;
    // region: crops [first, first + mesh_batch) of w.faces() -> w.crops().
    void region(stream& on, workspace& w, const frame& f, std::int32_t first) const;
    // landmark: meshes of those crops -> records in `results`.
    void landmark(stream& on, workspace& w, const frame& f, std::int32_t first, vision::result_block* results) const;

    [[nodiscard]] device& owner() const noexcept { return device_; }
    [[nodiscard]] const options& chosen() const noexcept { return options_; }
    [[nodiscard]] metrics& counters() const noexcept { return metrics_; }
    [[nodiscard]] const model_set& models() const noexcept { return models_; }

private:
    // Host kernels tell how long they took; a stage's time is that of all its work.
    void begin(stream& on) const;
    void end(stream& on, stage s, const frame_id& frame) const;

    device& device_;
    const model_set& models_;
    const options& options_;
    metrics& metrics_;
    std::unique_ptr<vision::kernels> kernels_;
};

// The faces of a result block in host memory, those below the presence threshold left out.
[[nodiscard]] frame_faces faces_of(const vision::result_block& results, const host_frame& of, float min_presence);

}  // namespace faceflow::flow
