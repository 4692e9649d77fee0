// SPDX-License-Identifier: Apache-2.0
#include "device/ledger_check.hpp"

#include <fmt/format.h>

namespace faceflow::internal {

transfer_totals totals_of(const ledger& book) {
    const auto up = book.transfers(direction::host_to_device), down = book.transfers(direction::device_to_host);
    return {{up.count, up.bytes}, {down.count, down.bytes}, book.syncs(), 0};
}

std::vector<std::string> ledger_check::differences() const {
    std::vector<std::string> all;
    const auto compare = [&](const char* way, const transfer_totals::moved& ours,
                             const transfer_totals::moved& theirs) {
        if (ours == theirs) return;
        all.push_back(fmt::format("the ledger has {} transfers of {} bytes {}, {} counted {} of {} bytes", ours.count,
                                  ours.bytes, way, by, theirs.count, theirs.bytes));
    };
    compare("from host to device", ledger.up, device.up);
    compare("from device to host", ledger.down, device.down);
    if (ledger.syncs != device.syncs)
        all.push_back(fmt::format("the ledger has {} host syncs, {} counted {}", ledger.syncs, by, device.syncs));
    if (device.unknown > 0)
        all.push_back(fmt::format("{} lost {} records, so its counts are too low", by, device.unknown));
    return all;
}

}  // namespace faceflow::internal
