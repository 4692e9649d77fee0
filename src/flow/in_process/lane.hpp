// SPDX-License-Identifier: Apache-2.0
// A stream with a workspace: takes frames through all stages in passes, one pass at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <tuple>
#include <vector>

#include "flow/stages/detect_schedule.hpp"
#include "flow/stages/device_resources.hpp"
#include "flow/stages/result_reader.hpp"
#include "flow/stages/tracked_faces.hpp"

namespace faceflow::internal::flow {

// Use it from one thread at a time. One host sync per pass, at its end.
class lane {
public:
    // One frame of a pass.
    struct item {
        const host_frame* from = nullptr;
        result<frame_faces> faces;  // the outcome
    };

    // `resources` outlives it. `warn` is called on the lane's thread with a line for the user.
    [[nodiscard]] static result<std::unique_ptr<lane>> create(device_resources& resources, const std::string& label,
                                                              const pass_shape& shape,
                                                              std::function<void(const std::string&)> warn);

    // Waits for its work.
    ~lane();

    // Takes at most shape.frames items. A source whose frames follow from one another must stay with one lane. Several
    // of its frames may come together, in their order, if the detector runs in every frame: it then looks at all of
    // them as one batch, and only the meshes wait for those of the frame before. A failed item does not affect the
    // others.
    void process(std::span<item> items);
    // After process has thrown: the next frame of every source begins with a detection.
    void forget();

private:
    // A frame of the pass that is on the device.
    struct entry {
        item* of;
        frame on_device;
        tracked_faces* tracked;        // null: the frame is a picture of its own
        vision::detection_set* found;  // where the detector puts its faces
        bool detected = false;         // it has
        detect_decision how = {};
    };
    // Entries of a pass of which none follows from another.
    using round = std::span<entry>;
    // What a graph was captured for: frames to detect in, those of them to merge, faces.
    using pass_size = std::tuple<std::int32_t, std::int32_t, std::int32_t>;

    lane(device_resources& resources, std::unique_ptr<stream> s, workspace space,
         std::function<void(const std::string&)> warn)
        : resources_(resources),
          stages_(resources.stages),
          warn_(std::move(warn)),
          stream_(std::move(s)),
          space_(std::move(space)) {}

    [[nodiscard]] std::size_t process_some(std::span<item> items);
    [[nodiscard]] result<entry> begin(item& i, std::int32_t number, when_full how);
    void run(std::span<entry> entries);
    [[nodiscard]] static round next_round(std::span<entry> entries);
    [[nodiscard]] result<vision::pass_results> run_round(round now, std::span<entry> later);
    [[nodiscard]] result<void> hold_frames(round now);
    [[nodiscard]] static pass_size size_of(std::span<const entry> now, std::span<const entry> later,
                                           std::int32_t capacity);
    [[nodiscard]] result<void> enqueue_pass(const pass_size& size, const stream::task& work);
    void detect(std::span<const entry> now, std::span<const entry> later);
    void merge(std::span<const entry> now);
    void mesh(std::int32_t first, std::int32_t end);
    void take_outcomes(round now, const result<vision::pass_results>& done);
    [[nodiscard]] result<tracked_faces*> tracked_of(std::uint32_t source);

    device_resources& resources_;
    const stage_set& stages_;
    const std::function<void(const std::string&)> warn_;
    std::unique_ptr<stream> stream_;  // declared before the models that use it; the destructor has waited for its work
    workspace space_;
    std::map<std::uint32_t, tracked_faces> tracked_;  // by source
    std::unique_ptr<result_reader> reader_;
    std::vector<frame> frames_;                           // of the round
    vision::face_table faces_;                            // of those frames
    int broken_captures_ = 0;                             // in a row
    std::map<pass_size, std::unique_ptr<graph>> graphs_;  // null: the device refused the capture
};

}  // namespace faceflow::internal::flow
