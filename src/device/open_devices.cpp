// SPDX-License-Identifier: Apache-2.0
#include "device/open_devices.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <numeric>
#include <optional>
#include <string_view>

#include "core/nearest.hpp"
#include "core/try.hpp"
#include "device/cpu/cpu_device.hpp"
#include "device/emulated/emulated_device.hpp"
#ifdef FACEFLOW_CUDA
#include "device/cuda/cuda_device.hpp"
#include "device/cuda/cuda_probe.hpp"
#endif

namespace faceflow::internal {
namespace {

using device_list = std::vector<std::unique_ptr<device>>;

// "emulated:4" -> {"emulated", "4"}; without a colon there is no argument.
struct parsed_name {
    std::string_view kind;
    std::optional<std::string_view> argument;
};

parsed_name parse(std::string_view name) {
    const auto colon = name.find(':');
    if (colon == std::string_view::npos) return {name, std::nullopt};
    return {name.substr(0, colon), name.substr(colon + 1)};
}

result<std::size_t> emulated_count(const parsed_name& name) {
    if (!name.argument) return std::size_t{1};
    std::size_t count = 0;
    const char* const end = name.argument->data() + name.argument->size();
    const auto [stopped, problem] = std::from_chars(name.argument->data(), end, count);
    if (problem != std::errc{} || stopped != end || count < 1 || count > max_emulated_devices) {
        return fail(errc::invalid_argument,
                    fmt::format("'{}' is not a number of emulated devices; emulated:N takes 1 to {}", *name.argument,
                                max_emulated_devices));
    }
    return count;
}

result<device_list> open_emulated(const device_request& wanted, const link_model& link) {
    FACEFLOW_ASSIGN(const auto count, emulated_count(parse(wanted.name)));
    device_list devices;
    for (std::size_t i = 0; i < count; ++i) {
        FACEFLOW_ASSIGN(auto made, emulated_device::create(static_cast<int>(i), wanted.memory_cap, link));
        devices.push_back(std::move(made));
    }
    return devices;
}

tl::unexpected<error> no_cuda_list(std::string_view argument) {
    return fail(errc::invalid_argument, fmt::format("'{}' is not a list of CUDA devices; cuda:I,J,... takes different "
                                                    "numbers from 0, as nvidia-smi -L counts them, and cuda:all all",
                                                    argument));
}

// "0,2" -> {0, 2}; without an argument {0}; for "all" an empty list, because only the driver knows the devices.
result<std::vector<int>> cuda_indices(const parsed_name& name) {
    if (!name.argument) return std::vector<int>{0};
    std::vector<int> indices;
    if (*name.argument == "all") return indices;
    const char* at = name.argument->data();
    const char* const end = at + name.argument->size();
    while (true) {
        int index = -1;
        const auto [stopped, problem] = std::from_chars(at, end, index);
        const bool repeated = std::find(indices.begin(), indices.end(), index) != indices.end();
        if (problem != std::errc{} || index < 0 || repeated) return no_cuda_list(*name.argument);
        indices.push_back(index);
        if (stopped == end) return indices;
        if (*stopped != ',') return no_cuda_list(*name.argument);
        at = stopped + 1;
    }
}

#ifdef FACEFLOW_CUDA
result<device_list> open_cuda(const device_request& wanted) {
    FACEFLOW_ASSIGN(auto indices, cuda_indices(parse(wanted.name)));
    FACEFLOW_ASSIGN(const auto count, device_count(ask_cuda()));
    if (indices.empty()) {
        indices.resize(static_cast<std::size_t>(count));
        std::iota(indices.begin(), indices.end(), 0);
    }
    device_list devices;
    for (const int index : indices) {
        if (index >= count) {
            return fail(errc::unavailable,
                        fmt::format("no CUDA device {}: this process sees {}, counted from 0", index, count));
        }
        FACEFLOW_ASSIGN(auto made, make_cuda_device(index, wanted.memory_cap));
        devices.push_back(std::move(made));
    }
    return devices;
}
#else
result<device_list> open_cuda(const device_request& wanted) {
    FACEFLOW_TRY(cuda_indices(parse(wanted.name)));
    return fail(errc::unavailable,
                "no CUDA device: this program was built without CUDA; build it with "
                "-DFACEFLOW_CUDA=ON, or use --device cpu or emulated");
}
#endif

device_list open_cpu(const device_request& wanted) {
    device_list devices;
    devices.push_back(make_cpu_device(wanted.memory_cap, wanted.threads));
    return devices;
}

tl::unexpected<error> unknown(const std::string& name) {
    const std::array<std::string, 4> kinds{"auto", "cpu", "emulated", "cuda"};
    const std::string_view near = nearest(parse(name).kind, kinds);
    return fail(errc::invalid_argument,
                fmt::format("unknown device '{}'{}; there are: auto, cpu, emulated[:N], cuda[:all|:I,J,...]", name,
                            near.empty() ? std::string() : fmt::format(", did you mean '{}'?", near)));
}

}  // namespace

result<device_list> open_devices(const device_request& wanted) {
    FACEFLOW_ASSIGN(const auto link, find_link(wanted.link));
    if (wanted.memory_cap == 0) return fail(errc::invalid_argument, "a device needs a memory limit above 0");
    const parsed_name name = parse(wanted.name);
    if (name.kind == "emulated") return open_emulated(wanted, link);
    if (name.kind == "cuda") return open_cuda(wanted);
    if ((name.kind == "cpu" || name.kind == "auto") && !name.argument) return open_cpu(wanted);
    return unknown(wanted.name);
}

}  // namespace faceflow::internal
