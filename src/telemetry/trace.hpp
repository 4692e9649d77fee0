// SPDX-License-Identifier: Apache-2.0
// A timeline for chrome://tracing and ui.perfetto.dev: spans, instants, and transfers as arrows between rows.
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

namespace faceflow::internal {

// Holds events in memory until written. Recording is thread-safe and takes 100 to 200 ns: threads write to separate
// shards. Beyond the cap, events are counted but dropped, and the file says so. Tracing is off at no cost when callers'
// trace pointer is null.
class trace {
public:
    using clock = std::chrono::steady_clock;
    using time_point = clock::time_point;

    // A row of the drawing: a stage, a stream, or a copy direction of a device.
    enum class row : std::uint32_t {};

    static constexpr std::size_t default_cap = std::size_t{1} << 20;  // events of 80 bytes

    // A copy between host and device. Like all names, `stage` must outlive the trace, as literals do.
    struct crossing {
        bool up = true;  // host to device
        std::uint64_t bytes = 0;
        bool pinned = false;
        std::string_view stage;
        frame_id frame;
        time_point enqueued, begin, end;
        row from{};  // the requester: the arrow starts there at `enqueued`
        row to{};    // the copy direction's row: the copy is a slice there, and the arrow ends there
    };

    explicit trace(std::size_t max_events = default_cap) : cap_(max_events) {}
    trace(const trace&) = delete;
    trace& operator=(const trace&) = delete;

    // The row of that name, created if needed. Rows are ordered by `sort_index`, then by creation. Takes a lock and
    // compares names: call it once and keep the result.
    [[nodiscard]] row row_of(std::string_view name, std::int32_t sort_index = 0);

    void span(row on, std::string_view name, time_point begin, time_point end, const frame_id& frame);
    void instant(row on, std::string_view name, time_point at, const frame_id& frame);
    void transfer(const crossing& c);

    // A recorded event. For a span, `enqueued` is its begin.
    enum class kind : std::uint8_t { span, instant, transfer };
    struct event {
        std::string_view name;  // for a transfer, its stage
        time_point enqueued, begin, end;
        frame_id frame;
        std::uint64_t bytes = 0;
        row on{}, from{};
        kind what = kind::span;
        bool up = false, pinned = false;
    };
    // Removes and returns the recorded events, in order of time, which makes room for as many. May run concurrently
    // with recording: new events are in this result or the next.
    [[nodiscard]] std::vector<event> take();

    // Events recorded, and those dropped beyond the cap.
    [[nodiscard]] std::size_t recorded() const noexcept;
    [[nodiscard]] std::size_t dropped() const noexcept;

    // Writes Chrome's JSON object format, in order of time. May run concurrently with recording; later events are then
    // missing. Either into a file that the caller commits (or discards after an error), or atomically to a path,
    // returning the final name. Errors of core/output_file.hpp.
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

}  // namespace faceflow::internal
