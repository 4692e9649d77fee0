// SPDX-License-Identifier: Apache-2.0
#include "device/emulated/emulated_device.hpp"

#include <fmt/format.h>

#include <charconv>

#include "backends/open_devices.hpp"
#include "backends/registered.hpp"
#include "core/try.hpp"
#include "inference/cpu/cpu_network.hpp"
#include "media/emulated_hardware.hpp"

namespace faceflow::internal {
namespace {

result<std::size_t> emulated_count(std::optional<std::string_view> index) {
    if (!index) return std::size_t{1};
    std::size_t count = 0;
    const char* const end = index->data() + index->size();
    const auto [stopped, problem] = std::from_chars(index->data(), end, count);
    if (problem != std::errc{} || stopped != end || count < 1 || count > max_emulated_devices) {
        return fail(errc::invalid_argument,
                    fmt::format("'{}' is not a number of emulated devices; emulated:N takes 1 to {}", *index,
                                max_emulated_devices));
    }
    return count;
}

result<back_end::device_list> open_emulated(const device_request& wanted, std::optional<std::string_view> index) {
    FACEFLOW_ASSIGN(const auto link, find_link(wanted.link));
    FACEFLOW_ASSIGN(const auto count, emulated_count(index));
    back_end::device_list devices;
    for (std::size_t i = 0; i < count; ++i) {
        FACEFLOW_ASSIGN(auto made, emulated_device::create(static_cast<int>(i), wanted.memory_cap, link));
        devices.push_back(std::move(made));
    }
    return devices;
}

}  // namespace

const back_end emulated_back_end{
    .kind = device_kind::emulated,
    .syntax = "emulated[:N]",
    .open = open_emulated,
    .make_kernels = vision::make_host_kernels,
    .make_network = inference::make_cpu_network,
    .open_decoder = media::open_emulated_hardware,
};

}  // namespace faceflow::internal
