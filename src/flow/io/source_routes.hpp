// SPDX-License-Identifier: Apache-2.0
// Where each source is worked on: the device that its frames go to, and there the lane that it keeps to.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <vector>

namespace faceflow::flow {

// What a source asks of a device: pixels a second. What is not known (0) is taken for that of 1920x1080 at 30 frames a second.
[[nodiscard]] std::uint64_t load_of(std::int32_t width, std::int32_t height, double frames_per_second) noexcept;

struct route {
    std::size_t device = 0, lane = 0;  // the lane counts within the device
    friend bool operator==(const route&, const route&) = default;
};

// A source goes to the device with the least load when it begins, and there to the lane with the least; of equals to those with
// fewer sources, and then to the first. It stays there until it ends, since its last faces lie in a lane; what ends makes room for
// what comes. Thread-safe.
class source_routes {
public:
    // `devices`: 1 at least.
    explicit source_routes(std::size_t devices) : devices_(devices) {}

    // Lanes of each device from now on, 1 at least; 1 before. Sources that have begun are shared out among them anew, in the order of
    // their numbers: to be called before any of their frames is worked on.
    void share_among(std::size_t lanes);

    // Of a source that has begun already only the load is renewed, unless `on` names another device: it moves there. `on` is for a
    // source whose frames lie on that device.
    route begin(std::uint32_t source, std::uint64_t load, std::optional<std::size_t> on = std::nullopt);
    // Nothing for one that has not begun.
    void end(std::uint32_t source);

    [[nodiscard]] std::size_t devices() const noexcept { return devices_; }
    // Of all sources there.
    [[nodiscard]] std::uint64_t load(std::size_t device) const;

private:
    struct begun {
        route to;
        std::uint64_t load = 0;
    };
    struct place {
        std::uint64_t load = 0;
        std::size_t sources = 0;
    };
    [[nodiscard]] std::size_t least_loaded_device() const;
    [[nodiscard]] std::size_t least_loaded_lane(std::size_t device) const;

    const std::size_t devices_;
    mutable std::mutex mutex_;
    std::size_t lanes_ = 1;
    std::map<std::uint32_t, begun> sources_;
};

}  // namespace faceflow::flow
