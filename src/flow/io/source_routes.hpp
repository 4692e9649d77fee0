// SPDX-License-Identifier: Apache-2.0
// Assigns each source to a device, and to a lane there.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <vector>

namespace faceflow::internal::flow {

// The load of a source, in pixels per second. Unknown values (0) default to 1920x1080 at 30 frames per second.
[[nodiscard]] std::uint64_t load_of(std::int32_t width, std::int32_t height, double frames_per_second) noexcept;

struct route {
    std::size_t device = 0, lane = 0;  // `lane` is numbered within the device
    friend bool operator==(const route&, const route&) = default;
};

// A source is assigned, when it begins, to the device with the least load and there to the lane with the least load;
// ties go to fewer sources, then to the lower number. It stays there until it ends, because its last faces lie in a
// lane; its share is then free for others. Thread-safe.
class source_routes {
public:
    // `devices`: at least 1.
    explicit source_routes(std::size_t devices) : devices_(devices) {}

    // Sets the number of lanes per device, at least 1 (initially 1). Sources that have begun are reassigned in order of
    // their numbers: call it before any of their frames is processed.
    void share_among(std::size_t lanes);

    // For a source that has already begun, only updates its load, unless `on` names another device: then the source
    // moves there. `on` is for a source whose frames lie on that device.
    route begin(std::uint32_t source, std::uint64_t load, std::optional<std::size_t> on = std::nullopt);
    // No effect for a source that has not begun.
    void end(std::uint32_t source);

    [[nodiscard]] std::size_t devices() const noexcept { return devices_; }
    // The sum over the device's sources.
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

}  // namespace faceflow::internal::flow
