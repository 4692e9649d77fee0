// SPDX-License-Identifier: Apache-2.0
#include "analysis/trial.hpp"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <limits>
#include <memory>
#include <mutex>
#include <utility>

#include "backends/open_devices.hpp"
#include "core/try.hpp"
#include "device/host_buffer.hpp"
#include "engine/engine.hpp"
#include "flow/flow.hpp"

namespace faceflow::internal::analysis {
namespace {

using clock = std::chrono::steady_clock;
constexpr std::size_t warm_up_frames = 5, latency_frames = 60;
constexpr std::chrono::seconds patience{60};

error stopped() {
    return {errc::interrupted, "stopped before the comparison was complete"};
}

double milliseconds(clock::duration d) {
    return std::chrono::duration<double, std::milli>(d).count();
}

// Receives results from a thread of the flow.
class arrivals {
public:
    void take(const host_frame& f, result<frame_faces> faces) {
        {
            const std::lock_guard lock(mutex_);
            last_ = clock::now();
            if (faces) {
                outcome_.faces.emplace(f.id.sequence, std::move(*faces));
            } else {
                ++outcome_.failed[std::string(name(faces.error().code))];
            }
            ++count_;
        }
        changed_.notify_all();
    }

    // The time when outcome number `n` (from 1) arrived.
    result<clock::time_point> wait_for(std::uint64_t n, const std::atomic<bool>& stop) {
        const auto deadline = clock::now() + patience;
        std::unique_lock lock(mutex_);
        while (!changed_.wait_for(lock, std::chrono::milliseconds(50), [&] { return count_ >= n; })) {
            if (stop.load(std::memory_order_relaxed)) return tl::unexpected(stopped());
            if (clock::now() > deadline) return fail(errc::timeout, "a frame had no result within a minute");
        }
        return last_;
    }

    std::uint64_t count() const {
        const std::lock_guard lock(mutex_);
        return count_;
    }
    std::uint64_t with_faces() const {
        const std::lock_guard lock(mutex_);
        return outcome_.faces.size();
    }
    flood_outcome take_outcome() {
        const std::lock_guard lock(mutex_);
        return std::move(outcome_);
    }

private:
    mutable std::mutex mutex_;
    std::condition_variable changed_;
    std::uint64_t count_ = 0;
    clock::time_point last_;
    flood_outcome outcome_;
};

result<std::unique_ptr<face_engine>> engine_for(options chosen, pacing how, arrivals& into) {
    chosen.pacing = how;
    face_engine::setup setup;
    setup.chosen = std::move(chosen);
    setup.on_result = [&into](const host_frame& f, result<frame_faces> r) { into.take(f, std::move(r)); };
    setup.merge_sources = true;
    auto made = face_engine::create(std::move(setup));
    if (made) (*made)->begin_source(0);
    return made;
}

// The counts of the devices and the cache.
struct counts {
    std::uint64_t up = 0, up_bytes = 0, down = 0, down_bytes = 0, syncs = 0, hits = 0, misses = 0;
};

counts counts_of(const face_engine& engine) {
    counts c;
    for (const auto& d : engine.devices()) {
        if (d->shares_host_memory()) continue;
        const auto up = d->book().transfers(direction::host_to_device),
                   down = d->book().transfers(direction::device_to_host);
        c.up += up.count;
        c.up_bytes += up.bytes;
        c.down += down.count;
        c.down_bytes += down.bytes;
        c.syncs += d->book().syncs();
    }
    const auto cache = engine.cache();
    c.hits = cache.hits;
    c.misses = cache.misses;
    return c;
}

void enter_counts(const counts& before, const counts& after, compare_row& row) {
    const auto each = [&](std::uint64_t counts::*what) {
        return static_cast<double>(after.*what - before.*what) /
               static_cast<double>(std::max<std::uint64_t>(row.frames, 1));
    };
    row.host_to_device_per_frame = each(&counts::up);
    row.host_to_device_bytes_per_frame = each(&counts::up_bytes);
    row.device_to_host_per_frame = each(&counts::down);
    row.device_to_host_bytes_per_frame = each(&counts::down_bytes);
    row.syncs_per_frame = each(&counts::syncs);
    const auto hits = after.hits - before.hits, asked = hits + after.misses - before.misses;
    if (asked > 0) row.cache_hit_rate = static_cast<double>(hits) / static_cast<double>(asked);
}

// The shortest of several tries, in milliseconds.
template <class Work>
result<double> shortest(int tries, Work work) {
    double best = std::numeric_limits<double>::max();
    for (int i = 0; i < tries; ++i) {
        const auto begun = clock::now();
        if (result<void> done = work(); !done) return tl::unexpected(std::move(done.error()));
        best = std::min(best, milliseconds(clock::now() - begun));
    }
    return best;
}

// Measures how long transfers of one size take on an idle device.
class link_probe {
public:
    static result<link_probe> create(device& d, std::size_t bytes, bool pinned) {
        link_probe p(d);
        FACEFLOW_ASSIGN(p.stream_, d.make_stream("link"));
        FACEFLOW_ASSIGN(p.done_, d.make_event());
        FACEFLOW_ASSIGN(p.memory_, device_buffer::allocate(d.pool(), bytes));
        FACEFLOW_ASSIGN(p.host_, host_buffer::allocate(d, bytes, pinned));
        return p;
    }
    [[nodiscard]] result<double> transfer_ms(direction d) {
        return host_.block().pinned ? in_a_row_ms(d) : one_by_one_ms(d);
    }

private:
    static constexpr int tries = 56;
    static constexpr tag t{stage::capture, {}};

    explicit link_probe(device& d) : device_(d) {}

    // In a row, so that no thread's wake-up is measured with them.
    result<double> in_a_row_ms(direction d) {
        constexpr int in_a_row = 8;
        auto all = shortest(tries / in_a_row, [&] {
            result<void> moved;
            for (int k = 0; k < in_a_row && moved; ++k)
                moved = move(d);
            return moved.and_then([&] { return synchronise(*stream_, *done_, t); });
        });
        return all ? *all / in_a_row : all;
    }

    // Waits for each transfer, because in a row the host would stage the next one while the engine copies. The time of
    // waiting for nothing belongs to the threads, not the link, and is subtracted.
    result<double> one_by_one_ms(direction d) {
        auto each = shortest(tries, [&] { return move(d).and_then([&] { return synchronise(*stream_, *done_, t); }); });
        if (!each || !device_.computes_on_host()) return each;
        auto nothing = shortest(tries, [&] {
            stream_->run([]() -> result<void> { return {}; });
            return synchronise(*stream_, *done_, t);
        });
        return nothing ? std::max(*each - *nothing, 0.0) : nothing;
    }

    result<void> move(direction d) {
        return transfer(*stream_, d, memory_.data(), host_.block(), host_.block().bytes, t);
    }

    device& device_;
    std::unique_ptr<stream> stream_;
    std::unique_ptr<event> done_;
    device_buffer memory_;
    host_buffer host_;
};

}  // namespace

result<flood_outcome> trial::all_at_once(const progress& on_progress, compare_row& row) const {
    arrivals results;
    FACEFLOW_ASSIGN(auto engine, engine_for(chosen_, pacing::recorded, results));

    std::map<std::string, std::uint64_t> refused;
    const auto settling = static_cast<std::size_t>(std::max(chosen_.detect_every, 1));
    std::uint64_t settled = 0;
    counts before;
    auto begun = clock::now();
    for (std::size_t i = 0; i < frames_.size(); ++i) {
        if (stop_.load(std::memory_order_relaxed)) return tl::unexpected(stopped());
        if (i == settling) {
            engine->drain();
            settled = results.with_faces();
            before = counts_of(*engine);
            begun = clock::now();
        }
        host_frame f = frames_[i];
        f.captured = clock::now();
        if (auto r = engine->submit(std::move(f)); !r) ++refused[std::string(name(r.error().code))];
        on_progress(results.count());
    }
    engine->end_source(0);
    engine->drain();
    FACEFLOW_TRY(engine->health());
    const double seconds = milliseconds(clock::now() - begun) / 1000;

    row.frames = results.with_faces() - settled;
    row.fps = static_cast<double>(row.frames) / seconds;
    row.peak_device_bytes = engine->peak_device_bytes();
    enter_counts(before, counts_of(*engine), row);
    auto checked = engine->check_ledger();
    if (checked) row.ledger_agrees = checked->agrees();
    engine.reset();
    FACEFLOW_ASSIGN(row.link_ms_per_frame, measure_link(chosen_, row));

    flood_outcome outcome = results.take_outcome();
    outcome.checked = std::move(checked);
    for (const auto& [reason, n] : refused)
        outcome.failed[reason] += n;
    return outcome;
}

result<std::vector<double>> trial::one_by_one(const progress_of& on_progress,
                                              std::map<std::string, std::uint64_t>& failed) const {
    arrivals results;
    options chosen = chosen_;
    chosen.verify_ledger = false;  // counting costs time, and was done in the first run
    chosen.tuning.lanes = 1;       // a single frame needs one lane, and each takes a GPU seconds to set up
    FACEFLOW_ASSIGN(auto engine, engine_for(std::move(chosen), pacing::live, results));

    const std::size_t warm_up = std::min(warm_up_frames, frames_.size() / 2);
    const std::size_t total = std::min(frames_.size(), warm_up + latency_frames);
    std::vector<double> measured;
    for (std::size_t i = 0; i < total; ++i) {
        host_frame f = frames_[i];
        f.captured = clock::now();
        const auto begun = f.captured;
        const auto before = results.with_faces();
        FACEFLOW_TRY(engine->submit(std::move(f)));
        FACEFLOW_ASSIGN(const auto arrived, results.wait_for(i + 1, stop_));
        if (i >= warm_up && results.with_faces() > before) measured.push_back(milliseconds(arrived - begun));
        on_progress(i + 1, total);
    }
    for (const auto& [reason, n] : results.take_outcome().failed)
        failed[reason] += n;
    return measured;
}

result<double> measure_link(const options& chosen, const compare_row& row) {
    FACEFLOW_ASSIGN(auto devices, open_devices({chosen.device, chosen.device_memory, chosen.link}));
    const bool pinned = flow::effective_options(chosen).tuning.pinned;
    const struct {
        direction way;
        double count, bytes;
    } ways[] = {{direction::host_to_device, row.host_to_device_per_frame, row.host_to_device_bytes_per_frame},
                {direction::device_to_host, row.device_to_host_per_frame, row.device_to_host_bytes_per_frame}};
    double sum = 0;
    for (const auto& w : ways) {
        if (w.count <= 0 || w.bytes < w.count) continue;
        FACEFLOW_ASSIGN(auto probe,
                        link_probe::create(*devices.front(), static_cast<std::size_t>(w.bytes / w.count), pinned));
        auto one = probe.transfer_ms(w.way);
        if (!one) return one;
        sum += *one * w.count;
    }
    return sum;
}

}  // namespace faceflow::internal::analysis
