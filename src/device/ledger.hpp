// SPDX-License-Identifier: Apache-2.0
// The ledger: every crossing between host and device memory, every time the host waited for a device, and what a modelled link
// asks for the totals.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "core/stage.hpp"
#include "faceflow/types.hpp"
#include "telemetry/trace.hpp"

namespace faceflow {

enum class direction : std::uint8_t { host_to_device, device_to_host };

// What a transfer or a wait was for.
struct tag {
    stage at = stage::capture;
    frame_id frame;
};

// Lock-free to write from any thread; reading beside writers gives totals that some of them are missing from.
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

    // Nanoseconds that the link's model asks for a transfer, the host's staging included: of a model, never of a clock.
    void charge_link(direction d, std::uint64_t nanoseconds) noexcept {
        link_ns_[static_cast<std::size_t>(d)].fetch_add(nanoseconds, std::memory_order_relaxed);
    }

    // What another process entered in its own ledger; its time on the link is charged.
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
    // 0 where the link is a real one.
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

    // Where transfers are drawn, if anywhere. Set before work begins.
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

}  // namespace faceflow
