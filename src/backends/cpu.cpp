// SPDX-License-Identifier: Apache-2.0
#include "device/cpu/cpu_device.hpp"

#include <fmt/format.h>

#include "backends/open_devices.hpp"
#include "backends/registered.hpp"
#include "inference/cpu/cpu_network.hpp"

namespace faceflow::internal {
namespace {

result<back_end::device_list> open_cpu(const device_request& wanted, std::optional<std::string_view> index) {
    if (index)
        return fail(errc::invalid_argument, fmt::format("the CPU is one device: --device cpu, without ':{}'", *index));
    back_end::device_list devices;
    devices.push_back(make_cpu_device(wanted.memory_cap, wanted.threads));
    return devices;
}

}  // namespace

const back_end cpu_back_end{
    .kind = device_kind::cpu,
    .syntax = "cpu",
    .open = open_cpu,
    .make_kernels = vision::make_host_kernels,
    .make_network = inference::make_cpu_network,
};

}  // namespace faceflow::internal
