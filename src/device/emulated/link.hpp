// SPDX-License-Identifier: Apache-2.0
// A model of the link between host and emulated device: what a copy would cost on real hardware.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "faceflow/result.hpp"

namespace faceflow::internal {

// Times are those of a single copy on an idle link. A link with bandwidth 0 adds no time to the copy itself.
struct link_model {
    std::string_view name;
    std::int64_t latency_ns = 0;       // from the start of a copy to its first byte
    double bytes_per_second_up = 0;    // host to device, from pinned memory
    double bytes_per_second_down = 0;  // device to host, into pinned memory
    double pageable_factor = 1;        // pageable bandwidth as a share of pinned, 0 < f <= 1

    // The copy engine's share of the time: all of a pinned copy, the second half of a pageable one.
    [[nodiscard]] std::int64_t engine_ns(bool up, std::size_t bytes) const noexcept;
    // The host's share of a pageable copy: copying through the driver's own pinned memory.
    [[nodiscard]] std::int64_t staging_ns(bool up, std::size_t bytes) const noexcept;
    // The sum: the two run one after the other.
    [[nodiscard]] std::int64_t copy_ns(bool up, std::size_t bytes, bool pinned) const noexcept {
        return engine_ns(up, bytes) + (pinned ? 0 : staging_ns(up, bytes));
    }
};

[[nodiscard]] std::span<const link_model> all_links() noexcept;
// errc::invalid_argument for an unknown name; the message lists the known ones.
[[nodiscard]] result<link_model> find_link(std::string_view name);

}  // namespace faceflow::internal
