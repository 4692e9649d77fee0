// SPDX-License-Identifier: Apache-2.0
#include "flow/multi_process/stage_context.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "backends/open_devices.hpp"
#include "core/try.hpp"

namespace faceflow::internal::flow {

result<std::unique_ptr<stage_context>> stage_context::create(const stage_hello& hello) {
    std::unique_ptr<stage_context> context(new stage_context(hello));
    FACEFLOW_TRY(context->open());
    return context;
}

result<void> stage_context::open() {
    const options& o = hello_.chosen;
    FACEFLOW_ASSIGN(auto devices, open_devices({o.device, o.device_memory, o.link, hello_.threads()}));
    const auto index = static_cast<std::size_t>(std::max(hello_.device_index, 0));
    if (index >= devices.size())
        return fail(errc::invalid_argument, fmt::format("there is no device {} of '{}'", index, o.device));
    device_ = std::move(devices[index]);

    FACEFLOW_ASSIGN(stream_, device_->make_stream(std::string(name(hello_.role))));
    FACEFLOW_ASSIGN(const auto store, inference::model_store::open(o.models));
    FACEFLOW_ASSIGN(crops_, crops_for(o, store));
    if (hello_.role != stage_role::region) {
        const std::int32_t threads = hello_.threads();
        const auto runtime = [threads] { return inference::runtime::create({threads}); };
        const bool meshes = hello_.role == stage_role::landmark;
        const auto how = threads > 1 ? inference::threading::shared : inference::threading::caller;
        FACEFLOW_ASSIGN(models_, load_models({.chosen = o,
                                              .store = store,
                                              .on = *device_,
                                              .runtime = runtime,
                                              .how = how,
                                              .parts = {.detector = !meshes, .mesh = meshes}}));
    }
    FACEFLOW_ASSIGN(done_, device_->make_event());
    if (hello_.tracing) {
        slices_ = std::make_unique<slice_log>(hello_.buffers == 0);
        metrics_.tracing = &slices_->recorder();
        device_->book().draw_on(&slices_->recorder());
    }
    stages_ = std::make_unique<stage_set>(*device_, models_, o, metrics_);
    return {};
}

result<void> stage_context::wait(const tag& t) {
    return synchronise(*stream_, *done_, t);
}

result<void> stage_context::start_counting() {
    static_cast<void>(take_slices(true));
    if (slices_ != nullptr) slices_->forget();
    if (hello_.chosen.verify_ledger) {
        FACEFLOW_ASSIGN(counter_, device_->make_transfer_counter());
    }
    static_cast<void>(take_counters({}));
    return {};
}

std::vector<stage_slice> stage_context::take_slices(bool all) {
    if (slices_ == nullptr) return {};
    if (all) {
        stream_->record(*done_);
        while (!done_->done())
            std::this_thread::sleep_for(std::chrono::microseconds(20));
        if (!device_->computes_on_host()) stream_->begin_span();  // a GPU reports a finished span at a later begin_span
    }
    return slices_->take();
}

stage_counters stage_context::take_counters(const frame_cache_counts& cache) {
    stage_counters now;
    const ledger& book = device_->book();
    for (const direction d : {direction::host_to_device, direction::device_to_host})
        now.link_ns[static_cast<std::size_t>(d)] = book.link_ns(d);
    for (const stage s : all_stages) {
        const auto i = static_cast<std::size_t>(s);
        for (const direction d : {direction::host_to_device, direction::device_to_host}) {
            const ledger::entry e = book.transfers(d, s);
            now.transfers[static_cast<std::size_t>(d)][i] = {e.count, e.bytes, e.pinned_count, e.pinned_bytes};
        }
        now.syncs[i] = book.syncs(s);
        now.runs[i] = metrics_.of(s).count();
        now.nanoseconds[i] = static_cast<std::uint64_t>(metrics_.of(s).total().count());
    }
    now.hits = cache.hits;
    now.misses = cache.misses;
    now.evictions = cache.evictions;
    now.expirations = cache.expirations;
    now.peak_bytes = device_->pool().peak_bytes();
    now.leases = device_->pool().slots_in_use() - std::min(device_->pool().slots_in_use(), cache.frames);
    now.stale = stale_;
    if (counter_ != nullptr) now.seen = counter_->seen();

    stage_counters since = now;
    for (std::size_t d = 0; d < 2; ++d)
        since.link_ns[d] -= told_.link_ns[d];
    for (std::size_t i = 0; i < stage_count; ++i) {
        for (std::size_t d = 0; d < 2; ++d) {
            auto& m = since.transfers[d][i];
            const auto& t = told_.transfers[d][i];
            m = {m.count - t.count, m.bytes - t.bytes, m.pinned_count - t.pinned_count,
                 m.pinned_bytes - t.pinned_bytes};
        }
        since.syncs[i] -= told_.syncs[i];
        since.runs[i] -= told_.runs[i];
        since.nanoseconds[i] -= told_.nanoseconds[i];
    }
    since.hits -= told_.hits;
    since.misses -= told_.misses;
    since.evictions -= told_.evictions;
    since.expirations -= told_.expirations;
    since.stale -= told_.stale;
    since.seen = now.seen.since(told_.seen);
    told_ = now;
    return since;
}

result<mirrored_memory> mirrored_memory::create(device& d, std::size_t bytes, bool pinned) {
    mirrored_memory m;
    m.shared_ = d.shares_host_memory();
    FACEFLOW_ASSIGN(m.memory_, device_buffer::allocate(d.pool(), bytes));
    if (m.shared_) return m;
    FACEFLOW_ASSIGN(m.host_, host_buffer::allocate(d, bytes, pinned));
    return m;
}

result<void> mirrored_memory::up(stream& s, std::size_t offset, std::size_t bytes, const tag& t) const {
    return move(s, direction::host_to_device, offset, bytes, t);
}

result<void> mirrored_memory::down(stream& s, std::size_t offset, std::size_t bytes, const tag& t) const {
    return move(s, direction::device_to_host, offset, bytes, t);
}

result<void> mirrored_memory::move(stream& s, direction d, std::size_t offset, std::size_t bytes, const tag& t) const {
    if (offset + bytes > memory_.bytes()) return fail(errc::internal, "a transfer that is larger than its memory");
    if (shared_) return {};
    const host_block part{host_.data() + offset, bytes, host_.block().pinned};
    return transfer(s, d, memory_.data() + offset, part, bytes, t);
}

}  // namespace faceflow::internal::flow
