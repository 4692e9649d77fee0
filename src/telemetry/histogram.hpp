// SPDX-License-Identifier: Apache-2.0
// Latency histograms: recording is lock-free, values are exact to 1/32.
#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <chrono>
#include <cstdint>

namespace faceflow::internal {

// Counts durations in buckets at most 1/32 of their value wide (log-linear, after HdrHistogram). Thread-safe; a reader
// concurrent with writers sees part of their records.
class histogram {
public:
    void record(std::chrono::nanoseconds d) noexcept {
        const auto v = static_cast<std::uint64_t>(d.count() < 0 ? 0 : d.count());
        counts_[bucket_of(v)].fetch_add(1, std::memory_order_relaxed);
        sum_.fetch_add(v, std::memory_order_relaxed);
        count_.fetch_add(1, std::memory_order_relaxed);
    }

    [[nodiscard]] std::uint64_t count() const noexcept { return count_.load(std::memory_order_relaxed); }

    [[nodiscard]] double mean_ms() const noexcept {
        const auto n = count();
        return n == 0 ? 0 : static_cast<double>(sum_.load(std::memory_order_relaxed)) / 1e6 / static_cast<double>(n);
    }

    [[nodiscard]] std::chrono::nanoseconds total() const noexcept {
        return std::chrono::nanoseconds(sum_.load(std::memory_order_relaxed));
    }

    // How many of them lie in buckets whose upper edge is at most `d`.
    [[nodiscard]] std::uint64_t count_up_to(std::chrono::nanoseconds d) const noexcept {
        std::uint64_t n = 0;
        for (std::size_t i = 0; i < buckets && upper_edge(i) <= static_cast<std::uint64_t>(d.count()); ++i)
            n += counts_[i].load(std::memory_order_relaxed);
        return n;
    }

    // Upper edge of the bucket that holds the q-quantile (0..1), in milliseconds; 0 when empty.
    [[nodiscard]] double quantile_ms(double q) const noexcept {
        const auto n = count();
        if (n == 0) return 0;
        const auto rank = static_cast<std::uint64_t>(q * static_cast<double>(n - 1)) + 1;
        std::uint64_t seen = 0;
        for (std::size_t i = 0; i < buckets; ++i) {
            seen += counts_[i].load(std::memory_order_relaxed);
            if (seen >= rank) return static_cast<double>(upper_edge(i)) / 1e6;
        }
        return 0;
    }

private:
    static constexpr int sub_bits = 5;
    static constexpr std::size_t sub = 1u << sub_bits;
    static constexpr std::size_t buckets = sub * 42;  // up to 2^46 ns, some 19 hours

    static std::size_t bucket_of(std::uint64_t v) noexcept {
        if (v < sub) return v;
        const int shift = static_cast<int>(std::bit_width(v)) - 1 - sub_bits;
        const std::size_t index = sub * static_cast<std::size_t>(shift + 1) + ((v >> shift) - sub);
        return index < buckets ? index : buckets - 1;
    }
    static std::uint64_t upper_edge(std::size_t index) noexcept {
        if (index < sub) return index;
        const auto shift = index / sub - 1;
        return ((index % sub + sub + 1) << shift) - 1;
    }

    std::array<std::atomic<std::uint64_t>, buckets> counts_{};
    std::atomic<std::uint64_t> sum_{0}, count_{0};
};

}  // namespace faceflow::internal
