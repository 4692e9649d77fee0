// SPDX-License-Identifier: Apache-2.0
// A stream with a workspace: takes frames through all stages in passes, one pass after the other.
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

// One thread at a time. The host waits once a pass, at its end.
class lane {
public:
    // One frame of a pass.
    struct item {
        const host_frame* from = nullptr;
        bool detect = true;
        std::uint32_t chain = 0;    // frames with this number start from one another; one of each in a pass
        result<frame_faces> faces;  // what the pass makes of it
    };

    // `resources` outlive it. `warn` is called, from the lane's thread, with a line for the user.
    [[nodiscard]] static result<std::unique_ptr<lane>> create(device_resources& resources, const std::string& label,
                                                              const pass_shape& shape,
                                                              std::function<void(const std::string&)> warn);

    // Waits for its work.
    ~lane();

    // At most shape.frames items. One that fails leaves the others be.
    void process(std::span<item> items);

private:
    // A frame of the pass that has reached the device.
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
    std::unique_ptr<stream> stream_;  // before what its models belong to; the destructor has waited for its work
    workspace space_;
    std::map<std::uint32_t, tracked_faces> tracked_;
    std::unique_ptr<result_reader> reader_;
    std::vector<frame> frames_;  // of this pass
    vision::face_table faces_;   // theirs
    int broken_captures_ = 0;    // in a row
    // Passes that were captured, by the frames that are detected in and the face capacity. Null: the device refused that capture.
    std::map<std::pair<std::int32_t, std::int32_t>, std::unique_ptr<graph>> graphs_;
};

}  // namespace faceflow::flow
