// SPDX-License-Identifier: Apache-2.0
// Opens a run's inputs, several at once, and chooses which of them decode on which device.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <stop_token>
#include <vector>

#include "engine/engine.hpp"
#include "engine/run.hpp"
#include "faceflow/result.hpp"
#include "frame/frame_store.hpp"
#include "media/decoder_share.hpp"
#include "media/source.hpp"

namespace faceflow::internal {

// Shared state, by device, of sources that decode on devices; outlives them. Empty if they decode on the CPU; no shares
// if each source may use as much of its device's decoder as it wants.
struct device_decoding {
    std::vector<std::shared_ptr<frame_store>> slots;
    std::vector<std::unique_ptr<media::decoder_share>> shares;
};

// See flow::load_of.
[[nodiscard]] std::uint64_t load_of(const media::source_info& info) noexcept;

// All arguments outlive it.
class source_opening {
public:
    source_opening(const run_request& request, runtime_context& on, std::stop_token stop)
        : request_(request),
          on_(on),
          stop_(std::move(stop)) {}

    // Returns the sources by number. The error of the first that cannot be opened; errc::invalid_argument for an
    // unusable value of `decode`.
    [[nodiscard]] result<std::vector<std::unique_ptr<media::source>>> open(device_decoding& decoding);

private:
    using opened = result<std::unique_ptr<media::source>>;

    [[nodiscard]] result<bool> decodes_on_device() const;
    [[nodiscard]] std::vector<std::size_t> choose_devices(const std::vector<media::input_group>& groups);
    [[nodiscard]] opened open_one(std::size_t number, std::size_t sources, const media::input_group& group,
                                  std::size_t device, const device_decoding& decoding) const;

    const run_request& request_;
    runtime_context& on_;
    const std::stop_token stop_;
};

}  // namespace faceflow::internal
