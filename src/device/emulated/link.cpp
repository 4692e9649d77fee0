// SPDX-License-Identifier: Apache-2.0
#include "device/emulated/link.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>

#include "core/nearest.hpp"

namespace faceflow::internal {
namespace {

// Rounded from typical results of NVIDIA's bandwidthTest sample on x16 cards with --memory=pinned and large blocks:
// about three quarters of the raw 15.75, 31.5 and 63 GB/s, the rest being packet headers and flow control.
// --memory=pageable reaches about half. The latency is that of a small cudaMemcpyAsync, from doorbell to completion.
// Real machines differ by some ten percent, and by far more when the card sits behind a chipset or on another socket.
constexpr std::array links{
    link_model{"none", 0, 0, 0, 1.0},
    link_model{"pcie3", 8'000, 12e9, 12e9, 0.5},
    link_model{"pcie4", 7'000, 24e9, 24e9, 0.5},
    link_model{"pcie5", 6'000, 48e9, 48e9, 0.5},
};

std::int64_t nanoseconds(std::size_t bytes, double bytes_per_second) {
    return bytes_per_second > 0 ? static_cast<std::int64_t>(static_cast<double>(bytes) * 1e9 / bytes_per_second) : 0;
}

}  // namespace

std::int64_t link_model::engine_ns(bool up, std::size_t bytes) const noexcept {
    return latency_ns + nanoseconds(bytes, up ? bytes_per_second_up : bytes_per_second_down);
}

std::int64_t link_model::staging_ns(bool up, std::size_t bytes) const noexcept {
    const double whole = (up ? bytes_per_second_up : bytes_per_second_down) * pageable_factor;
    return nanoseconds(bytes, whole) - nanoseconds(bytes, up ? bytes_per_second_up : bytes_per_second_down);
}

std::span<const link_model> all_links() noexcept {
    return links;
}

result<link_model> find_link(std::string_view name) {
    std::vector<std::string> names;
    for (const link_model& l : links) {
        if (l.name == name) return l;
        names.emplace_back(l.name);
    }
    const std::string_view near = nearest(name, names);
    return fail(
        errc::invalid_argument,
        fmt::format("unknown link '{}'{}; choose one of: {}", name,
                    near.empty() ? std::string() : fmt::format(", did you mean '{}'?", near), fmt::join(names, ", ")));
}

}  // namespace faceflow::internal
