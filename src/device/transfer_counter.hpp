// SPDX-License-Identifier: Apache-2.0
// What crossed between host and device memory, counted by somebody else than the ledger, which is held to it.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "faceflow/result.hpp"

namespace faceflow {

struct transfer_totals {
    struct moved {
        std::uint64_t count = 0, bytes = 0;
        friend bool operator==(const moved&, const moved&) = default;
    };
    moved up, down;             // host to device, device to host
    std::uint64_t syncs = 0;    // times that a host thread waited for the device
    std::uint64_t unknown = 0;  // what was seen but could not be counted: the others are too low by so many

    transfer_totals& operator+=(const transfer_totals& o) {
        up = {up.count + o.up.count, up.bytes + o.up.bytes};
        down = {down.count + o.down.count, down.bytes + o.down.bytes};
        syncs += o.syncs;
        unknown += o.unknown;
        return *this;
    }
    // What came since `earlier` counts of the same kind.
    [[nodiscard]] transfer_totals since(const transfer_totals& earlier) const {
        return {{up.count - earlier.up.count, up.bytes - earlier.up.bytes},
                {down.count - earlier.down.count, down.bytes - earlier.down.bytes},
                syncs - earlier.syncs,
                unknown - earlier.unknown};
    }
    friend bool operator==(const transfer_totals&, const transfer_totals&) = default;
};

// Counts one device's transfers from its making on; the device outlives it. Made by device::make_transfer_counter.
class transfer_counter {
public:
    transfer_counter() = default;
    virtual ~transfer_counter() = default;
    transfer_counter(const transfer_counter&) = delete;
    transfer_counter& operator=(const transfer_counter&) = delete;

    // Who counts, to be named beside the figures.
    [[nodiscard]] virtual std::string_view by() const noexcept = 0;
    // So far. What is to be in it has been waited for. Does not wait for the device.
    [[nodiscard]] virtual transfer_totals seen() = 0;
};

}  // namespace faceflow
