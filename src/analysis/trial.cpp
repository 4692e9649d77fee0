#include "analysis/trial.hpp"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>

#include "device/open_devices.hpp"
#include "engine/engine.hpp"

namespace faceflow::analysis {
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

// Where results arrive, from a thread of the flow's.
class arrivals {
public:
    void take(const host_frame& f, result<frame_faces> faces) {
        {
            const std::lock_guard lock(mutex_);
            last_ = clock::now();
            if (faces)
                outcome_.faces.emplace(f.id.sequence, std::move(*faces));
            else
                ++outcome_.failed[std::string(name(faces.error().code))];
            ++count_;
        }
        changed_.notify_all();
    }

    // When result number `n` came, counted from 1.
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

// What the devices and the cache counted, per frame.
void read_counts(const face_engine& engine, double frames, compare_row& row) {
    ledger::entry up, down;
    std::uint64_t syncs = 0;
    row.peak_device_bytes = engine.peak_device_bytes();
    for (const auto& d : engine.devices()) {
        if (d->shares_host_memory()) continue;
        up += d->book().transfers(direction::host_to_device);
        down += d->book().transfers(direction::device_to_host);
        syncs += d->book().syncs();
    }
    row.host_to_device_per_frame = static_cast<double>(up.count) / frames;
    row.host_to_device_bytes_per_frame = static_cast<double>(up.bytes) / frames;
    row.device_to_host_per_frame = static_cast<double>(down.count) / frames;
    row.device_to_host_bytes_per_frame = static_cast<double>(down.bytes) / frames;
    row.syncs_per_frame = static_cast<double>(syncs) / frames;
    const auto cache = engine.cache();
    const auto asked = cache.hits + cache.misses;
    row.cache_hit_rate = asked > 0 ? static_cast<double>(cache.hits) / static_cast<double>(asked) : 0;
}

// Shortest time of one transfer of `bytes`.
result<double> transfer_ms(device& on, direction d, std::size_t bytes, bool pinned) {
    constexpr int tries = 7, in_a_row = 8;
    auto s = on.make_stream("link");
    if (!s) return tl::unexpected(std::move(s.error()));
    auto done = on.make_event();
    if (!done) return tl::unexpected(std::move(done.error()));
    auto memory = device_buffer::allocate(on.pool(), bytes);
    if (!memory) return tl::unexpected(std::move(memory.error()));
    auto host = on.allocate_host(bytes, pinned);
    if (!host) return tl::unexpected(std::move(host.error()));

    const tag t{stage::capture, {}};
    result<double> best = 1e12;
    for (int i = 0; i < tries && best; ++i) {
        const auto begun = clock::now();
        result<void> moved;
        for (int k = 0; k < in_a_row && moved; ++k)
            moved = transfer(**s, d, memory->data(), *host, bytes, t);
        if (auto waited = synchronise(**s, **done, t); moved) moved = std::move(waited);
        if (moved)
            best = std::min(*best, milliseconds(clock::now() - begun) / in_a_row);
        else
            best = tl::unexpected(std::move(moved.error()));
    }
    on.release_host(*host);
    return best;
}

}  // namespace

result<flood_outcome> trial::all_at_once(const progress& on_progress, compare_row& row) const {
    arrivals results;
    auto engine = engine_for(chosen_, pacing::recorded, results);
    if (!engine) return tl::unexpected(std::move(engine.error()));

    std::map<std::string, std::uint64_t> refused;
    const auto begun = clock::now();
    for (const host_frame& frame : frames_) {
        if (stop_.load(std::memory_order_relaxed)) return tl::unexpected(stopped());
        host_frame f = frame;
        f.captured = clock::now();
        if (auto r = (*engine)->submit(std::move(f)); !r) ++refused[std::string(name(r.error().code))];
        on_progress(results.count());
    }
    (*engine)->end_source(0);
    (*engine)->drain();
    if (auto health = (*engine)->health(); !health) return tl::unexpected(std::move(health.error()));
    const double seconds = milliseconds(clock::now() - begun) / 1000;

    row.frames = frames_.size();
    row.fps = static_cast<double>(results.count()) / seconds;
    read_counts(**engine, static_cast<double>(frames_.size()), row);
    auto checked = (*engine)->check_ledger();
    if (checked) row.ledger_agrees = checked->agrees();
    engine->reset();
    auto link = measure_link(chosen_, row);
    if (!link) return tl::unexpected(std::move(link.error()));
    row.link_ms_per_frame = *link;

    flood_outcome outcome = results.take_outcome();
    outcome.checked = std::move(checked);
    for (const auto& [reason, n] : refused)
        outcome.failed[reason] += n;
    return outcome;
}

result<std::vector<double>> trial::one_by_one(const progress_of& on_progress) const {
    arrivals results;
    options chosen = chosen_;
    chosen.verify_ledger = false;  // who counts costs time, and has counted already
    auto engine = engine_for(std::move(chosen), pacing::live, results);
    if (!engine) return tl::unexpected(std::move(engine.error()));

    const std::size_t warm_up = std::min(warm_up_frames, frames_.size() / 2);
    const std::size_t total = std::min(frames_.size(), warm_up + latency_frames);
    std::vector<double> measured;
    for (std::size_t i = 0; i < total; ++i) {
        host_frame f = frames_[i];
        f.captured = clock::now();
        const auto begun = f.captured;
        if (auto r = (*engine)->submit(std::move(f)); !r) return tl::unexpected(std::move(r.error()));
        const auto arrived = results.wait_for(i + 1, stop_);
        if (!arrived) return tl::unexpected(arrived.error());
        if (i >= warm_up) measured.push_back(milliseconds(*arrived - begun));
        on_progress(i + 1, total);
    }
    return measured;
}

result<double> measure_link(const options& chosen, const compare_row& row) {
    auto devices = open_devices({chosen.device, chosen.device_memory, chosen.link});
    if (!devices) return tl::unexpected(std::move(devices.error()));
    const struct {
        direction way;
        double count, bytes;
    } ways[] = {{direction::host_to_device, row.host_to_device_per_frame, row.host_to_device_bytes_per_frame},
                {direction::device_to_host, row.device_to_host_per_frame, row.device_to_host_bytes_per_frame}};
    double sum = 0;
    for (const auto& w : ways) {
        if (w.count <= 0 || w.bytes < w.count) continue;
        auto one = transfer_ms(*devices->front(), w.way, static_cast<std::size_t>(w.bytes / w.count), chosen.pinned);
        if (!one) return one;
        sum += *one * w.count;
    }
    return sum;
}

}  // namespace faceflow::analysis
