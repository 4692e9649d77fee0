// SPDX-License-Identifier: Apache-2.0
// A stream with a workspace: takes frames through all stages in passes, one pass at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "flow/stages/device_resources.hpp"
#include "flow/stages/result_reader.hpp"
#include "flow/stages/tracked_faces.hpp"

namespace faceflow::flow {

// Use it from one thread at a time. One host sync per pass, at its end.
class lane {
public:
    // One frame of a pass.
    struct item {
        const host_frame* from = nullptr;
        bool detect = true;
        std::uint32_t chain = 0;    // frames of one chain start from one another; at most one of each chain in a pass
        result<frame_faces> faces;  // the outcome
    };

    // `resources` outlives it. `warn` is called on the lane's thread with a line for the user.
    [[nodiscard]] static result<std::unique_ptr<lane>> create(device_resources& resources, const std::string& label,
                                                              const pass_shape& shape,
                                                              std::function<void(const std::string&)> warn);

    // Waits for its work.
    ~lane();

    // Takes at most shape.frames items. A failed item does not affect the others.
    void process(std::span<item> items);

private:
    // A frame of the pass that is on the device.
    struct entry {
        item* of;
        frame on_device;
        tracked_faces* tracked;
        bool detect;
    };

    lane(device_resources& resources, std::unique_ptr<stream> s, workspace space,
         std::function<void(const std::string&)> warn)
        : resources_(resources),
          stages_(resources.stages),
          warn_(std::move(warn)),
          stream_(std::move(s)),
          space_(std::move(space)) {}

    [[nodiscard]] std::size_t process_some(std::span<item> items);
    [[nodiscard]] result<entry> begin(item& i, when_full how);
    void run(std::vector<entry>& entries);
    [[nodiscard]] result<void> hold_frames(std::vector<entry>& entries);
    [[nodiscard]] result<vision::pass_results> run_stages(const std::vector<entry>& entries);
    [[nodiscard]] result<void> enqueue_pass(const std::pair<std::int32_t, std::int32_t>& size,
                                            const stream::task& work);
    void detect(const std::vector<entry>& entries);
    void mesh(std::int32_t first, std::int32_t end);
    [[nodiscard]] result<tracked_faces*> tracked_by(std::uint32_t chain);

    device_resources& resources_;
    const stage_set& stages_;
    const std::function<void(const std::string&)> warn_;
    std::unique_ptr<stream> stream_;  // declared before the models that use it; the destructor has waited for its work
    workspace space_;
    std::map<std::uint32_t, tracked_faces> tracked_;
    std::unique_ptr<result_reader> reader_;
    std::vector<frame> frames_;  // of this pass
    vision::face_table faces_;   // of those frames
    int broken_captures_ = 0;    // in a row
    // Captured passes, by number of frames to detect in and face capacity. Null: the device refused the capture.
    std::map<std::pair<std::int32_t, std::int32_t>, std::unique_ptr<graph>> graphs_;
};

}  // namespace faceflow::flow
