// SPDX-License-Identifier: Apache-2.0
// The ledger's totals beside those of the devices themselves.
//
// The window that both are of opens when an engine has been made: models are loaded and warmed up, that work has been waited for,
// and nothing of a frame has been asked for. It closes when every frame taken on has had its outcome. So weights, warm-up and
// the engine's end are outside. A stage process has a window of its own, from its readiness to its last answer; what one that
// died did after that, neither side has. On cuda the waits of the memory pool's own stream, on which there is no work of a frame,
// are left out.
#pragma once

#include <string>
#include <vector>

#include "device/ledger.hpp"
#include "device/transfer_counter.hpp"

namespace faceflow {

struct ledger_check {
    std::string by;  // who counted
    transfer_totals ledger, device;

    [[nodiscard]] bool agrees() const noexcept { return ledger == device; }
    // A sentence for each figure that differs; none when the two agree.
    [[nodiscard]] std::vector<std::string> differences() const;
};

// The totals of a ledger.
[[nodiscard]] transfer_totals totals_of(const ledger& book);

}  // namespace faceflow
