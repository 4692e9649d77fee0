// SPDX-License-Identifier: Apache-2.0
// What happened when, for chrome://tracing and ui.perfetto.dev: spans, instants, and transfers as arrows between rows.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "core/output_file.hpp"
#include "faceflow/result.hpp"
#include "faceflow/types.hpp"

namespace faceflow {

// Holds events in memory until written. Recording is thread-safe and takes 100 to 200 ns: threads write to shards
// of their own. At the cap later events are counted and left out, and the file says so. Without a trace object nothing is
// recorded and nothing is paid: callers hold a pointer that may be null.
class trace {
public:
    using clock = std::chrono::steady_clock;
    using time_point = clock::time_point;

    // A line of the picture: a stage, a stream, or a copy direction of a device.
    enum class row : std::uint32_t {};

    static constexpr std::size_t default_cap = std::size_t{1} << 20;  // events; 80 bytes each

    // A copy between host and device. `stage` as all names: it must outlive the trace, as literals do.
    struct crossing {
        bool up = true;  // host to device
        std::uint64_t bytes = 0;
        bool pinned = false;
        std::string_view stage;
        frame_id frame;
        time_point enqueued, begin, end;
        row from{};  // who asked for it: the arrow starts there at `enqueued`
        row to{};    // the copy direction's row: the copy is a slice of it, and the arrow ends there
    };

    explicit trace(std::size_t max_events = default_cap) : cap_(max_events) {}
    trace(const trace&) = delete;
    trace& operator=(const trace&) = delete;

    // The row of that name, made when there is none. Rows stand in the order of `sort_index`, then of their making. Takes a
    // lock and compares names: ask once and keep the answer.
    [[nodiscard]] row row_of(std::string_view name, std::int32_t sort_index = 0);

    void span(row on, std::string_view name, time_point begin, time_point end, const frame_id& frame);
    void instant(row on, std::string_view name, time_point at, const frame_id& frame);
    void transfer(const crossing& c);

    // An event as it was recorded. Of a span, `enqueued` is where it begins.
    enum class kind : std::uint8_t { span, instant, transfer };
    struct event {
        std::string_view name;  // of a transfer, its stage
        time_point enqueued, begin, end;
        frame_id frame;
        std::uint64_t bytes = 0;
        row on{}, from{};
        kind what = kind::span;
        bool up = false, pinned = false;
    };
    // Takes out what was recorded, in the order of time, and makes room for as much. May run beside recording: what comes
    // meanwhile is in it, or in the next.
    [[nodiscard]] std::vector<event> take();

    // Events that were kept, and those that came after the cap was reached.
    [[nodiscard]] std::size_t recorded() const noexcept;
    [[nodiscard]] std::size_t dropped() const noexcept;

    // Chrome's JSON object format, in the order of time. May run beside recording, and then has what was recorded before it came
    // by. Into a file that the caller commits (or discards after an error); or whole, or not at all, to a path, and gives the
    // name that it got there. Errors of core/output_file.hpp.
    [[nodiscard]] result<void> write(output_file& file) const;
    [[nodiscard]] result<std::filesystem::path> write(const std::filesystem::path& path) const;

private:
    static constexpr std::size_t chunk_events = 512;
    using chunk = std::array<event, chunk_events>;
    struct alignas(64) shard {
        mutable std::mutex mutex;
        std::vector<std::unique_ptr<chunk>> chunks;
        std::size_t used = 0;  // events, in all chunks
    };
    struct named_row {
        std::string name;
        std::int32_t sort_index = 0;
    };
    class writer;

    void record(const event& e);
    static void copy_out(const shard& s, std::vector<event>& to);
    static void sort(std::vector<event>& events);
    [[nodiscard]] std::vector<event> in_order() const;

    const std::size_t cap_;
    const time_point origin_ = clock::now();
    std::atomic<std::size_t> recorded_{0}, dropped_{0};
    std::array<shard, 16> shards_;
    mutable std::mutex rows_mutex_;
    std::vector<named_row> rows_;
};

}  // namespace faceflow
