// SPDX-License-Identifier: Apache-2.0
#include "telemetry/trace.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <iterator>
#include <nlohmann/json.hpp>
#include <thread>
#include <tuple>

#include "core/format_number.hpp"
#include "core/try.hpp"

namespace faceflow::internal {
namespace {

// Drawn length of the mark where a copy was enqueued; an arrow needs a slice to start from.
constexpr std::chrono::nanoseconds enqueue_mark{500};

std::string json_text(std::string_view text) {
    return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

unsigned thread_of(std::uint32_t row) {
    return row + 1;
}

}  // namespace

trace::row trace::row_of(std::string_view name, std::int32_t sort_index) {
    const std::lock_guard lock(rows_mutex_);
    const auto at = std::find_if(rows_.begin(), rows_.end(), [&](const named_row& r) { return r.name == name; });
    const auto index = static_cast<std::uint32_t>(at - rows_.begin());
    if (at == rows_.end()) rows_.push_back({std::string(name), sort_index});
    return row{index};
}

void trace::span(row on, std::string_view name, time_point begin, time_point end, const frame_id& frame) {
    record({name, begin, begin, std::max(begin, end), frame, 0, on, on, kind::span, false, false});
}

void trace::instant(row on, std::string_view name, time_point at, const frame_id& frame) {
    record({name, at, at, at, frame, 0, on, on, kind::instant, false, false});
}

void trace::transfer(const crossing& c) {
    record({c.stage, c.enqueued, c.begin, std::max(c.begin, c.end), c.frame, c.bytes, c.to, c.from, kind::transfer,
            c.up, c.pinned});
}

void trace::record(const event& e) {
    if (recorded_.fetch_add(1, std::memory_order_relaxed) >= cap_) {
        recorded_.fetch_sub(1, std::memory_order_relaxed);
        dropped_.fetch_add(1, std::memory_order_relaxed);
        return;
    }
    shard& mine = shards_[std::hash<std::thread::id>()(std::this_thread::get_id()) % shards_.size()];
    const std::lock_guard lock(mine.mutex);
    if (mine.used == mine.chunks.size() * chunk_events) mine.chunks.push_back(std::make_unique<chunk>());
    (*mine.chunks[mine.used / chunk_events])[mine.used % chunk_events] = e;
    ++mine.used;
}

std::size_t trace::recorded() const noexcept {
    return std::min(recorded_.load(std::memory_order_relaxed), cap_);
}

std::size_t trace::dropped() const noexcept {
    return dropped_.load(std::memory_order_relaxed);
}

void trace::copy_out(const shard& s, std::vector<event>& to) {
    for (std::size_t i = 0; i < s.used; ++i)
        to.push_back((*s.chunks[i / chunk_events])[i % chunk_events]);
}

void trace::sort(std::vector<event>& events) {
    // An enclosing slice comes first.
    std::stable_sort(events.begin(), events.end(), [](const event& a, const event& b) {
        return std::tuple(a.begin, b.end) < std::tuple(b.begin, a.end);
    });
}

std::vector<trace::event> trace::in_order() const {
    std::vector<event> all;
    for (const shard& s : shards_) {
        const std::lock_guard lock(s.mutex);
        copy_out(s, all);
    }
    sort(all);
    return all;
}

std::vector<trace::event> trace::take() {
    std::vector<event> all;
    for (shard& s : shards_) {
        const std::lock_guard lock(s.mutex);
        copy_out(s, all);
        s.used = 0;  // keeps the chunks for reuse
    }
    recorded_.fetch_sub(all.size(), std::memory_order_relaxed);
    sort(all);
    return all;
}

class trace::writer {
public:
    writer(output_file& file, time_point origin) : file_(file), origin_(origin) {}

    result<void> rows(const std::vector<named_row>& all) {
        line(R"({"ph":"M","pid":1,"name":"process_name","args":{"name":"faceflow"}})");
        std::vector<std::size_t> order(all.size());
        for (std::size_t i = 0; i < order.size(); ++i)
            order[i] = i;
        std::stable_sort(order.begin(), order.end(),
                         [&](std::size_t a, std::size_t b) { return all[a].sort_index < all[b].sort_index; });
        for (std::size_t place = 0; place < order.size(); ++place) {
            const auto thread = thread_of(static_cast<std::uint32_t>(order[place]));
            line(fmt::format(R"({{"ph":"M","pid":1,"tid":{},"name":"thread_name","args":{{"name":{}}}}})", thread,
                             json_text(all[order[place]].name)));
            line(fmt::format(R"({{"ph":"M","pid":1,"tid":{},"name":"thread_sort_index","args":{{"sort_index":{}}}}})",
                             thread, place));
        }
        return flush();
    }

    result<void> draw(const event& e) {
        switch (e.what) {
            case kind::span: slice(e.on, e.name, e.begin, e.end - e.begin, e); break;
            case kind::instant:
                begin('i', e.on, json_text(e.name), e.begin) += fmt::format(R"(,"s":"t",{}}})", args(e));
                break;
            case kind::transfer: copy(e); break;
        }
        return pending_.size() < 65536 ? result<void>() : flush();
    }

    result<void> finish(std::size_t recorded, std::size_t dropped, std::size_t cap) {
        pending_ += fmt::format(
            "\n],\"displayTimeUnit\":\"ms\",\"otherData\":{{\"recorded_events\":{},\"dropped_events\":{},"
            "\"most_events\":{}}}}}\n",
            recorded, dropped, cap);
        return flush();
    }

private:
    void line(std::string_view event) {
        pending_ += first_ ? "{\"traceEvents\":[\n" : ",\n";
        first_ = false;
        pending_ += event;
    }

    // The head of an event, without its closing brace.
    std::string& begin(char phase, row on, std::string_view quoted_name, time_point at) {
        line(fmt::format(R"({{"ph":"{}","pid":1,"tid":{},"name":{},"ts":)", phase,
                         thread_of(static_cast<std::uint32_t>(on)), quoted_name));
        microseconds(at - origin_);
        return pending_;
    }

    void microseconds(std::chrono::nanoseconds t) { append_fixed(pending_, static_cast<double>(t.count()) / 1e3, 3); }

    static std::string args(const event& e) {
        const std::string frame = fmt::format(R"("source":{},"sequence":{})", e.frame.source, e.frame.sequence);
        if (e.what != kind::transfer) return fmt::format(R"("args":{{{}}})", frame);
        return fmt::format(R"("args":{{{},"bytes":{},"direction":"{}","memory":"{}","stage":{}}})", frame, e.bytes,
                           e.up ? "host_to_device" : "device_to_host", e.pinned ? "pinned" : "pageable",
                           json_text(e.name));
    }

    void slice(row on, std::string_view name, time_point from, std::chrono::nanoseconds length, const event& e) {
        begin('X', on, json_text(name), from) += ",\"dur\":";
        microseconds(length);
        pending_ += fmt::format(",{}}}", args(e));
    }

    void copy(const event& e) {
        const std::string_view name = e.up ? "upload" : "download";
        slice(e.from, e.up ? "enqueue upload" : "enqueue download", e.enqueued, enqueue_mark, e);
        slice(e.on, name, e.begin, e.end - e.begin, e);
        const std::string tie = fmt::format(R"(,"cat":"transfer","id":{})", ++flows_);
        begin('s', e.from, json_text(name), e.enqueued) += tie + "}";
        begin('f', e.on, json_text(name), e.begin) += tie + ",\"bp\":\"e\"}";
    }

    result<void> flush() {
        auto r = file_.append(pending_);
        pending_.clear();
        return r;
    }

    output_file& file_;
    const time_point origin_;
    std::string pending_;
    bool first_ = true;
    std::uint64_t flows_ = 0;
};

result<std::filesystem::path> trace::write(const std::filesystem::path& path) const {
    FACEFLOW_ASSIGN(auto file, output_file::open(path));
    if (auto r = write(file); !r) {
        file.discard();  // half a document is useless
        return tl::unexpected(std::move(r.error()));
    }
    return file.commit();
}

result<void> trace::write(output_file& file) const {
    const std::size_t lost = dropped();
    const std::vector<event> all = in_order();
    std::vector<named_row> rows;
    {
        const std::lock_guard lock(rows_mutex_);
        rows = rows_;
    }
    writer out(file, origin_);
    FACEFLOW_TRY(out.rows(rows));
    for (const event& e : all) {
        FACEFLOW_TRY(out.draw(e));
    }
    FACEFLOW_TRY(out.finish(all.size(), lost, cap_));
    return file.flush();
}

}  // namespace faceflow::internal
