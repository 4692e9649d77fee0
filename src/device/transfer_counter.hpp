// SPDX-License-Identifier: Apache-2.0
// Counts of transfers between host and device memory that are independent of the ledger and are used to check it.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "faceflow/result.hpp"

namespace faceflow::internal {

struct transfer_totals {
    struct moved {
        std::uint64_t count = 0, bytes = 0;
        friend bool operator==(const moved&, const moved&) = default;
    };
    moved up, down;             // host to device, device to host
    std::uint64_t syncs = 0;    // times a host thread waited for the device
    std::uint64_t unknown = 0;  // records that could not be counted: the other counts are too low by this many

    transfer_totals& operator+=(const transfer_totals& o) {
        up = {up.count + o.up.count, up.bytes + o.up.bytes};
        down = {down.count + o.down.count, down.bytes + o.down.bytes};
        syncs += o.syncs;
        unknown += o.unknown;
        return *this;
    }
    // The difference to `earlier`, an earlier result of the same counter.
    [[nodiscard]] transfer_totals since(const transfer_totals& earlier) const {
        return {{up.count - earlier.up.count, up.bytes - earlier.up.bytes},
                {down.count - earlier.down.count, down.bytes - earlier.down.bytes},
                syncs - earlier.syncs,
                unknown - earlier.unknown};
    }
    friend bool operator==(const transfer_totals&, const transfer_totals&) = default;
};

// Counts one device's transfers from construction on; the device outlives it. Made by device::make_transfer_counter.
class transfer_counter {
public:
    transfer_counter() = default;
    virtual ~transfer_counter() = default;
    transfer_counter(const transfer_counter&) = delete;
    transfer_counter& operator=(const transfer_counter&) = delete;

    // The name of the counter, to print beside the figures.
    [[nodiscard]] virtual std::string_view by() const noexcept = 0;
    // The totals so far. Wait for the work that they should include first; this call does not wait for the device.
    [[nodiscard]] virtual transfer_totals seen() = 0;
};

}  // namespace faceflow::internal
