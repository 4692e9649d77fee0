// The two ends that every flow has: frames wait at the intake, outcomes leave through the collector in order.
#pragma once

#include <algorithm>
#include <mutex>
#include <optional>
#include <span>
#include <utility>

#include "flow/collector.hpp"
#include "flow/flow.hpp"
#include "flow/intake.hpp"

namespace faceflow::flow {

// A flow derives from it and moves units from one end to the other; its destructor closes the intake and ends its threads.
class flow_ends : public flow {
public:
    std::size_t submit(host_frame f) override {
        const std::size_t overtaken = intake_.put(std::move(f)).value_or(0);
        metrics_.dropped.add("overtaken", overtaken);
        return overtaken;
    }
    void begin_source(std::uint32_t source, std::uint64_t load) override { intake_.begin_source(source, load); }
    void end_source(std::uint32_t source) override { intake_.end_source(source); }
    void hurry() override { intake_.hurry(); }
    void drain() override { intake_.wait_idle(); }

    // A device that is lost is lost for the process, and with it the flow; so is a thread that has ended with an exception.
    result<void> health() const override {
        const std::lock_guard lock(lost_mutex_);
        return lost_;
    }

private:
    void notice(const outcome& o) {
        if (!o.faces && o.faces.error().code == errc::device_lost) give_up(o.faces.error());
    }
    void give_up(error why) {
        const std::lock_guard lock(lost_mutex_);
        if (lost_) lost_ = tl::unexpected(std::move(why));
    }
    mutable std::mutex lost_mutex_;  // these before the collector, whose thread uses them
    result<void> lost_;

protected:
    // `units_in_flight`: of each device. `lanes`: of each, that live sources keep to.
    flow_ends(const flow_parts& parts, std::size_t units_in_flight, std::size_t waiting_frames = 0,
              std::size_t lanes = 1)
        : metrics_(parts.counters),
          detect_every_(static_cast<std::size_t>(parts.chosen.detect_every)),
          intake_(options_for(parts, units_in_flight, waiting_frames), parts.routes),
          collector_(
              [this, handler = parts.handler](outcome&& o) {
                  notice(o);
                  handler(std::move(o));
              },
              [this](std::size_t device) { intake_.done(device); }, [this](error e) { give_up(std::move(e)); }) {
        parts.routes.share_among(lanes);
    }

    // For threads of the flow that cannot go on: frames in work have no outcome any more, and nobody waits for them.
    [[nodiscard]] thread_failed stops_flow() {
        return [this](error e) {
            give_up(std::move(e));
            intake_.close();
        };
    }

    // Frame `i` of a unit is detected in, or starts from the one before.
    [[nodiscard]] bool detects(const work_unit& unit, std::size_t i) const {
        return i == 0 ? unit.detect_first : i % detect_every_ == 0;
    }

    metrics& metrics_;
    const std::size_t detect_every_;
    intake intake_;
    collector collector_;

private:
    static intake_options options_for(const flow_parts& parts, std::size_t units_in_flight,
                                      std::size_t waiting_frames) {
        const options& o = parts.chosen;
        intake_options i;
        i.merged = parts.merged && o.pacing == pacing::recorded;
        i.pacing = o.pacing;
        i.detect_every = static_cast<std::size_t>(o.detect_every);
        i.unit_frames = o.pacing == pacing::recorded ? i.detect_every : 1;
        i.units_in_flight = units_in_flight;
        i.waiting_frames = waiting_frames;
        i.lies_on = [devices = parts.devices](const host_frame& f) { return device_of(f, devices); };
        return i;
    }
    static std::optional<std::size_t> device_of(const host_frame& f, std::span<const equipped_device> devices) {
        if (f.on_device == nullptr || f.on_device->stored == nullptr) return std::nullopt;
        const device* const owner = &f.on_device->stored->slot.source()->owner();
        const auto at =
            std::find_if(devices.begin(), devices.end(), [&](const equipped_device& d) { return d.on == owner; });
        if (at == devices.end()) return std::nullopt;
        return static_cast<std::size_t>(at - devices.begin());
    }
};

}  // namespace faceflow::flow
