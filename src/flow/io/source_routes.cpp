// SPDX-License-Identifier: Apache-2.0
#include "flow/io/source_routes.hpp"

#include <algorithm>
#include <cmath>
#include <tuple>

namespace faceflow::internal::flow {

std::uint64_t load_of(std::int32_t width, std::int32_t height, double frames_per_second) noexcept {
    const bool sized = width > 0 && height > 0;
    const double pixels = sized ? static_cast<double>(width) * height : 1920.0 * 1080.0;
    const double rate = std::isfinite(frames_per_second) && frames_per_second > 0 ? frames_per_second : 30.0;
    // Files may state any rate: sums of loads must not overflow.
    constexpr double most = 1e15;
    return static_cast<std::uint64_t>(std::clamp(pixels * rate, 1.0, most));
}

namespace {

template <class Place>
std::size_t least_of(const std::vector<Place>& places) {
    const auto least = std::min_element(places.begin(), places.end(), [](const Place& a, const Place& b) {
        return std::tie(a.load, a.sources) < std::tie(b.load, b.sources);
    });
    return static_cast<std::size_t>(least - places.begin());
}

}  // namespace

std::size_t source_routes::least_loaded_device() const {
    std::vector<place> places(devices_);
    for (const auto& [number, s] : sources_) {
        place& p = places[s.to.device];
        p.load += s.load;
        ++p.sources;
    }
    return least_of(places);
}

std::size_t source_routes::least_loaded_lane(std::size_t device) const {
    std::vector<place> places(lanes_);
    for (const auto& [number, s] : sources_) {
        if (s.to.device != device) continue;
        place& p = places[s.to.lane];
        p.load += s.load;
        ++p.sources;
    }
    return least_of(places);
}

void source_routes::share_among(std::size_t lanes) {
    const std::lock_guard lock(mutex_);
    lanes_ = std::max<std::size_t>(lanes, 1);
    auto before = std::move(sources_);
    sources_.clear();
    for (auto& [number, s] : before) {
        s.to.lane = least_loaded_lane(s.to.device);
        sources_.emplace(number, s);
    }
}

route source_routes::begin(std::uint32_t source, std::uint64_t load, std::optional<std::size_t> on) {
    const std::lock_guard lock(mutex_);
    if (const auto at = sources_.find(source); at != sources_.end()) {
        at->second.load = load;
        if (!on || *on == at->second.to.device) return at->second.to;
        sources_.erase(at);
    }
    const std::size_t device = on && *on < devices_ ? *on : least_loaded_device();
    const route to{device, least_loaded_lane(device)};
    sources_[source] = {to, load};
    return to;
}

void source_routes::end(std::uint32_t source) {
    const std::lock_guard lock(mutex_);
    sources_.erase(source);
}

std::uint64_t source_routes::load(std::size_t device) const {
    const std::lock_guard lock(mutex_);
    std::uint64_t sum = 0;
    for (const auto& [number, s] : sources_)
        sum += s.to.device == device ? s.load : 0;
    return sum;
}

}  // namespace faceflow::internal::flow
