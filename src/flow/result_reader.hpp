// SPDX-License-Identifier: Apache-2.0
// Brings the results of a frame to the host: the only thing that comes back from a device.
#pragma once

#include <cstdint>

#include "device/device.hpp"
#include "faceflow/result.hpp"
#include "vision/records.hpp"

namespace faceflow::flow {

// One host block, made once. One thread at a time.
class result_reader {
public:
    [[nodiscard]] static result<result_reader> create(device& on, std::size_t bytes, bool pinned);
    result_reader(result_reader&& o) noexcept;
    result_reader& operator=(result_reader&& o) noexcept;
    ~result_reader();

    // Adds the download of the headers and the first `faces` records to the stream: one transfer, none where host memory is device
    // memory. May be captured where memory is pinned.
    [[nodiscard]] result<void> add(stream& on, const vision::pass_results& results, std::int32_t faces, const tag& t);
    // Waits for it, and all before it: one host sync. Valid until the next add.
    [[nodiscard]] result<vision::pass_results> wait(stream& on, const vision::pass_results& results, const tag& t);
    // Both.
    [[nodiscard]] result<vision::pass_results> read(stream& on, const vision::pass_results& results, std::int32_t faces,
                                                    const tag& t);

private:
    explicit result_reader(device& on) : device_(&on) {}
    device* device_ = nullptr;
    host_block host_;
    std::unique_ptr<event> done_;
};

}  // namespace faceflow::flow
