// SPDX-License-Identifier: Apache-2.0
// Back ends: what each kind of device brings, registered in one place. A new one is a row in back_ends.cpp, a
// declaration in registered.hpp and a file beside them; most other code asks a device or its back end for what it can
// do, and docs/how-to-add.md lists the rest.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "device/device.hpp"
#include "device/gpu_facts.hpp"
#include "faceflow/result.hpp"
#include "inference/network.hpp"
#include "media/hardware_opener.hpp"
#include "vision/kernels.hpp"

namespace faceflow::internal {

struct device_request;

struct back_end {
    device_kind kind;
    std::string_view syntax;  // its names in `--device`, for messages: "emulated[:N]"
    bool indexed = false;     // a name with an index opens one device: "cuda:1"

    // `index`: what follows the colon in the name. errc::invalid_argument if it is no such index, errc::unavailable
    // for hardware, or a build, that is not there.
    using device_list = std::vector<std::unique_ptr<device>>;
    result<device_list> (*open)(const device_request& wanted, std::optional<std::string_view> index);

    std::unique_ptr<vision::kernels> (*make_kernels)(device& d);
    result<std::shared_ptr<inference::network>> (*make_network)(device& d, const inference::network_request& wanted);

    media::hardware_opener open_decoder = nullptr;  // null: no video decoder of its own
    bool decodes_by_default = false;                // what `--decode auto` means

    // Adds what is known about the hardware of this kind in the machine; null: nothing to tell.
    void (*look)(gpu_facts& into) = nullptr;
};

// In the order of messages.
[[nodiscard]] std::span<const back_end* const> back_ends() noexcept;
[[nodiscard]] const back_end& back_end_of(const device& d) noexcept;

// The name that opens this device alone, in another process.
[[nodiscard]] std::string name_of(const device& d);

// The kernels of stages for a device, which outlives them.
[[nodiscard]] std::unique_ptr<vision::kernels> make_kernels(device& d);

// A network on native kernels, from the plan beside the model. Its weights are in device memory on CUDA (waits for their
// upload), or in host memory where kernels are host functions. errc::unsupported if that is impossible: no plan, or a
// step that fits no kernel.
[[nodiscard]] result<std::shared_ptr<inference::network>> make_native_network(device& d,
                                                                              const inference::network_request& wanted);

// Facts about this machine's GPUs. Without a driver, there are no cards.
[[nodiscard]] gpu_facts look_at_gpus();

}  // namespace faceflow::internal
