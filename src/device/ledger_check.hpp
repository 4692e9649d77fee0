// SPDX-License-Identifier: Apache-2.0
// Compares the ledger's totals with those that the devices count.
//
// Both cover the same window. It opens when an engine has been made: the models are loaded and warm, that work is done,
// and no work for a frame has been requested. It closes when every accepted frame has its outcome. Loading weights,
// warm-up and shutdown are therefore outside it. A stage process has its own window, from when it is ready to its last
// answer; if it dies, neither side includes what it did after that answer. On cuda, waits for the memory pool's own
// stream, which carries no work of frames, are left out.
#pragma once

#include <string>
#include <vector>

#include "device/ledger.hpp"
#include "device/transfer_counter.hpp"

namespace faceflow::internal {

struct ledger_check {
    std::string by;  // the name of the counter
    transfer_totals ledger, device;

    [[nodiscard]] bool agrees() const noexcept { return ledger == device; }
    // One sentence per figure that differs; empty if all agree.
    [[nodiscard]] std::vector<std::string> differences() const;
};

// The totals of a ledger.
[[nodiscard]] transfer_totals totals_of(const ledger& book);

}  // namespace faceflow::internal
