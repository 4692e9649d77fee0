// SPDX-License-Identifier: Apache-2.0
// Both ends of every flow: frames wait in the input queue, outcomes leave in order through the reorder buffer.
#pragma once

#include <algorithm>
#include <mutex>
#include <optional>
#include <span>
#include <utility>

#include "flow/flow.hpp"
#include "flow/io/input_queue.hpp"
#include "flow/io/reorder_buffer.hpp"
#include "flow/pipeline_setup.hpp"

namespace faceflow::internal::flow {

// Base of flows, which move frames from one end to the other. A flow's destructor closes the input queue and joins its
// threads.
class queued_flow : public flow {
public:
    std::size_t submit(host_frame f) override {
        const std::size_t overtaken = inputs_.put(std::move(f)).value_or(0);
        metrics_.dropped.add("overtaken", overtaken);
        return overtaken;
    }
    void begin_source(std::uint32_t source, std::uint64_t load) override { inputs_.begin_source(source, load); }
    void end_source(std::uint32_t source) override { inputs_.end_source(source); }
    void drain() override { inputs_.wait_idle(); }

    // A lost device ends the flow, since the whole process has lost it; so does a thread that ended with an exception.
    result<void> health() const override {
        const std::lock_guard lock(lost_mutex_);
        return lost_;
    }

private:
    void check_outcome(const outcome& o) {
        if (!o.faces && o.faces.error().code == errc::device_lost) record_failure(o.faces.error());
    }
    void record_failure(error why) {
        const std::lock_guard lock(lost_mutex_);
        if (lost_) lost_ = tl::unexpected(std::move(why));
    }
    mutable std::mutex lost_mutex_;  // declared before the reorder buffer, whose thread uses them
    result<void> lost_;

protected:
    // `frames_in_flight`: per device. `lanes`: per device; a source stays with one lane.
    queued_flow(const flow_setup& setup, std::size_t frames_in_flight, std::size_t waiting_frames = 0,
                std::size_t lanes = 1)
        : metrics_(setup.counters),
          inputs_(options_for(setup, frames_in_flight, waiting_frames), setup.routes),
          reorder_(
              [this, handler = setup.handler](outcome&& o) {
                  check_outcome(o);
                  handler(std::move(o));
              },
              [this](std::size_t device) { inputs_.done(device); }, [this](error e) { record_failure(std::move(e)); }) {
        setup.routes.share_among(lanes);
    }

    // For threads of the flow that cannot continue: frames in work get no outcome any more, and nothing waits for them.
    [[nodiscard]] thread_failed on_thread_failure() {
        return [this](error e) {
            record_failure(std::move(e));
            inputs_.close();
        };
    }

    // For the pipeline of the device `number`; `of` describes the flow.
    [[nodiscard]] pipeline_setup pipeline_for(const flow_setup& of, std::size_t number) {
        return {.of = of, .number = number, .from = inputs_, .to = reorder_, .failed = on_thread_failure()};
    }

    metrics& metrics_;
    input_queue inputs_;
    reorder_buffer reorder_;

private:
    static input_queue_options options_for(const flow_setup& setup, std::size_t frames_in_flight,
                                           std::size_t waiting_frames) {
        const options& o = setup.chosen;
        input_queue_options i;
        i.merged = setup.merged && o.pacing == pacing::recorded;
        i.pacing = o.pacing;
        i.frames_in_flight = frames_in_flight;
        i.waiting_frames = waiting_frames;
        i.lies_on = [devices = setup.devices](const host_frame& f) { return device_of(f, devices); };
        return i;
    }
    static std::optional<std::size_t> device_of(const host_frame& f, std::span<const device_context> devices) {
        if (f.on_device == nullptr || f.on_device->stored == nullptr) return std::nullopt;
        const device* const owner = &f.on_device->stored->slot.source()->owner();
        const auto at =
            std::find_if(devices.begin(), devices.end(), [&](const device_context& d) { return d.device == owner; });
        if (at == devices.end()) return std::nullopt;
        return static_cast<std::size_t>(at - devices.begin());
    }
};

}  // namespace faceflow::internal::flow
