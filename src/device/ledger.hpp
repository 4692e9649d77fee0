// SPDX-License-Identifier: Apache-2.0
// The ledger counts every transfer between host and device memory and every host sync, and sums the time that the link
// model charges for transfers.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "core/stage.hpp"
#include "faceflow/types.hpp"
#include "telemetry/trace.hpp"

namespace faceflow::internal {

enum class direction : std::uint8_t { host_to_device, device_to_host };

// The stage and frame that a transfer or wait belongs to.
struct tag {
    stage at = stage::capture;
    frame_id frame;
};

// Writing is lock-free on any thread; a reader that runs beside writers may miss the latest entries.
class ledger {
public:
    struct entry {
        std::uint64_t count = 0, bytes = 0, pinned_count = 0, pinned_bytes = 0;
        entry& operator+=(const entry& o) {
            count += o.count;
            bytes += o.bytes;
            pinned_count += o.pinned_count;
            pinned_bytes += o.pinned_bytes;
            return *this;
        }
    };

    void record_transfer(direction d, std::size_t bytes, bool pinned, const tag& t) noexcept {
        auto& c = cells_[static_cast<std::size_t>(d)][static_cast<std::size_t>(t.at)];
        c.count.fetch_add(1, std::memory_order_relaxed);
        c.bytes.fetch_add(bytes, std::memory_order_relaxed);
        if (pinned) {
            c.pinned_count.fetch_add(1, std::memory_order_relaxed);
            c.pinned_bytes.fetch_add(bytes, std::memory_order_relaxed);
        }
    }

    void record_sync(const tag& t) noexcept {
        syncs_[static_cast<std::size_t>(t.at)].fetch_add(1, std::memory_order_relaxed);
    }

    // Adds the time of a transfer, including host staging, as the link model computes it; it is never measured.
    void charge_link(direction d, std::uint64_t nanoseconds) noexcept {
        link_ns_[static_cast<std::size_t>(d)].fetch_add(nanoseconds, std::memory_order_relaxed);
    }

    // Adds the ledger entries of another process. Its link time is added by charge_link.
    void include(direction d, stage at, const entry& e) noexcept {
        auto& c = cells_[static_cast<std::size_t>(d)][static_cast<std::size_t>(at)];
        c.count.fetch_add(e.count, std::memory_order_relaxed);
        c.bytes.fetch_add(e.bytes, std::memory_order_relaxed);
        c.pinned_count.fetch_add(e.pinned_count, std::memory_order_relaxed);
        c.pinned_bytes.fetch_add(e.pinned_bytes, std::memory_order_relaxed);
    }
    void include_syncs(stage at, std::uint64_t count) noexcept {
        syncs_[static_cast<std::size_t>(at)].fetch_add(count, std::memory_order_relaxed);
    }

    [[nodiscard]] entry transfers(direction d, stage at) const noexcept {
        const auto& c = cells_[static_cast<std::size_t>(d)][static_cast<std::size_t>(at)];
        return {c.count.load(std::memory_order_relaxed), c.bytes.load(std::memory_order_relaxed),
                c.pinned_count.load(std::memory_order_relaxed), c.pinned_bytes.load(std::memory_order_relaxed)};
    }
    [[nodiscard]] entry transfers(direction d) const noexcept {
        entry sum;
        for (const stage at : all_stages)
            sum += transfers(d, at);
        return sum;
    }
    // 0 for a real link.
    [[nodiscard]] std::uint64_t link_ns(direction d) const noexcept {
        return link_ns_[static_cast<std::size_t>(d)].load(std::memory_order_relaxed);
    }
    [[nodiscard]] std::uint64_t syncs(stage at) const noexcept {
        return syncs_[static_cast<std::size_t>(at)].load(std::memory_order_relaxed);
    }
    [[nodiscard]] std::uint64_t syncs() const noexcept {
        std::uint64_t sum = 0;
        for (const stage at : all_stages)
            sum += syncs(at);
        return sum;
    }

    // The trace in which transfers are drawn, if any. Set it before work begins.
    void draw_on(trace* t) noexcept { tracing_ = t; }
    [[nodiscard]] trace* drawing() const noexcept { return tracing_; }

private:
    trace* tracing_ = nullptr;
    struct alignas(64) cell {
        std::atomic<std::uint64_t> count{0}, bytes{0}, pinned_count{0}, pinned_bytes{0};
    };
    std::array<std::array<cell, stage_count>, 2> cells_{};
    std::array<std::atomic<std::uint64_t>, stage_count> syncs_{};
    std::array<std::atomic<std::uint64_t>, 2> link_ns_{};
};

}  // namespace faceflow::internal
