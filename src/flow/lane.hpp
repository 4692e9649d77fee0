// SPDX-License-Identifier: Apache-2.0
// A stream with a workspace: takes frames through all stages in passes, one pass after the other.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "flow/device_line.hpp"
#include "flow/result_reader.hpp"

namespace faceflow::flow {

// One thread at a time. The host waits once a pass, at its end.
class lane {
public:
    // One frame of a pass.
    struct item {
        const host_frame* from = nullptr;
        bool detect = true;
        std::uint32_t follows = 0;  // frames of one such number start from one another; one of each in a pass
        result<frame_faces> faces;  // what the pass makes of it
    };

    // `line` outlives it.
    [[nodiscard]] static result<std::unique_ptr<lane>> create(device_line& line, const std::string& label,
                                                              const pass_shape& shape);

    // Waits for its work.
    ~lane();

    // At most shape.frames items. One that fails leaves the others be.
    void pass(std::span<item> items);

private:
    // A frame of the pass that has reached the device.
    struct part {
        item* of;
        frame on_device;
        followed_faces* followed;
        bool detect;
    };

    lane(device_line& line, std::unique_ptr<stream> on, workspace space)
        : line_(line),
          stream_(std::move(on)),
          space_(std::move(space)) {}

    [[nodiscard]] std::size_t pass_together(std::span<item> items);
    [[nodiscard]] result<part> begin(item& i, when_full how);
    void run(std::vector<part>& parts);
    [[nodiscard]] result<void> hold_frames(std::vector<part>& parts);
    [[nodiscard]] result<vision::pass_results> work_through(const std::vector<part>& parts);
    [[nodiscard]] result<void> add_pass(const std::pair<std::int32_t, std::int32_t>& size, const stream::task& work);
    void detect(const std::vector<part>& parts);
    void mesh(std::int32_t from, std::int32_t to);
    [[nodiscard]] result<followed_faces*> followed_by(std::uint32_t number);

    device_line& line_;
    std::unique_ptr<stream> stream_;  // before what its models belong to; the destructor has waited for its work
    workspace space_;
    std::map<std::uint32_t, followed_faces> followed_;
    std::unique_ptr<result_reader> reader_;
    std::vector<frame> frames_;  // of this pass
    vision::face_table faces_;   // theirs
    // Passes that were captured, by the frames that are detected in and the faces that there is room for. A null one was refused.
    int broken_captures_ = 0;  // in a row
    std::map<std::pair<std::int32_t, std::int32_t>, std::unique_ptr<graph>> graphs_;
};

}  // namespace faceflow::flow
