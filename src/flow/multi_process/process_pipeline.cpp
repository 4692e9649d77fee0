// SPDX-License-Identifier: Apache-2.0
#include "flow/multi_process/process_pipeline.hpp"

#include <fmt/format.h>

#include "backends/back_end.hpp"
#include "core/try.hpp"
#include "flow/multi_process/stage_program.hpp"

namespace faceflow::internal::flow {
namespace {

std::unique_ptr<slice_trace> trace_of(const pipeline_setup& setup) {
    trace* const drawing = setup.of.counters.tracing;
    if (drawing == nullptr) return nullptr;
    const bool alone = setup.of.devices.size() == 1;
    const device& d = *setup.on().device;
    return std::make_unique<slice_trace>(*drawing, alone ? "" : fmt::format("{} {} ", name(d.kind()), d.index()));
}

}  // namespace

process_pipeline::process_pipeline(pipeline_setup setup)
    : device_(*setup.on().device),
      options_(setup.of.chosen),
      crops_(setup.on().models.crops()),
      metrics_(setup.of.counters),
      note_(setup.of.note),
      device_number_(setup.number),
      inputs_(setup.from),
      reorder_(setup.to),
      failed_(std::move(setup.failed)),
      trace_(trace_of(setup)) {}

result<void> process_pipeline::start_watcher() {
    if (watcher_.joinable()) return {};
    FACEFLOW_ASSIGN(
        watcher_, start_jthread(
                      "looking after stage processes", [this](const std::stop_token& stop) { watch(stop); }, failed_));
    return {};
}

result<std::shared_ptr<stage_process>> process_pipeline::start_stage(stage_role role, std::uint32_t buffers,
                                                                     ipc::control_page& own, std::vector<int> pages,
                                                                     exported_slabs* slabs) {
    FACEFLOW_TRY(start_watcher());
    FACEFLOW_ASSIGN(auto program, find_stage_program());
    stage_setup s;
    s.hello = {role, options_, 0, buffers, trace_ != nullptr};
    s.hello.chosen.device = name_of(device_);
    s.hello.chosen.device_memory = device_.pool().limit_bytes();  // per process: the engine has already divided the cap
    s.program = std::move(program);
    s.own = &own;
    s.pages = std::move(pages);
    s.slabs = slabs;
    s.restarts = options_.stage_restarts;
    // GPU libraries may spend seconds on planning when a batch size is new.
    const double patience = device_.computes_on_host() ? options_.stage_timeout : std::max(options_.stage_timeout, 5.0);
    s.patience = std::chrono::nanoseconds(static_cast<std::int64_t>(patience * 1e9));
    s.note = note_;
    s.account = [this, role](const stage_counters& counters, std::span<const stage_slice> slices) {
        record(counters);
        if (trace_ != nullptr) metrics_.errors.add("trace_slice", trace_->draw(role, slices));
    };
    s.spawn = [this](const stage_setup::starter& start) { return spawn(start); };
    auto made = std::make_shared<stage_process>(std::move(s));
    {
        const std::lock_guard lock(mutex_);
        processes_.push_back(made);
    }
    if (auto r = made->open(); !r) {
        const std::lock_guard lock(mutex_);
        processes_.pop_back();
        return tl::unexpected(std::move(r.error()));
    }
    return made;
}

result<void> process_pipeline::run(std::function<result<void>(process_job&)> begin,
                                   std::vector<stage_pipeline<process_job>::step> steps) {
    steps.emplace_back([this](process_job& j) { complete(j); });
    return pipeline_.start(
        [this, begin = std::move(begin)](auto& to) {
            feed_jobs<process_job>(inputs_, device_number_, to, [&](process_job& j) { return capture(j, begin); });
        },
        std::move(steps), failed_);
}

void process_pipeline::stop() {
    pipeline_.join();
    {
        const std::lock_guard lock(mutex_);
        processes_.clear();
    }
    watcher_ = {};
}

void process_pipeline::set_readiness(has_inputs ready) {
    const std::lock_guard lock(mutex_);
    ready_ = std::move(ready);
}

void process_pipeline::watch(const std::stop_token& stop) {
    // Stage processes die with this thread, which started them, so running out of memory must not end it.
    decltype(processes_) processes;
    decltype(ready_) ready;
    std::unique_lock lock(mutex_);
    while (!stop.stop_requested()) {
        asked_.wait_for(lock, stop, std::chrono::milliseconds(10), [&] { return to_start_ != nullptr; });
        if (to_start_ != nullptr) {
            const auto* start = std::exchange(to_start_, nullptr);
            lock.unlock();
            result<ipc::child_process> child = fail(errc::internal, "");
            if (auto tried = caught("starting a stage process", [&] { child = (*start)(); }); !tried)
                child = tl::unexpected(std::move(tried.error()));
            lock.lock();
            started_.emplace(std::move(child));
            answered_.notify_all();
            continue;
        }
        // If one check runs out of memory, the next one makes up for it.
        const auto known = caught("looking for stage processes", [&] {
            processes = processes_;
            ready = ready_;
        });
        lock.unlock();
        if (known)
            static_cast<void>(caught("looking after stage processes", [&] {
                for (std::size_t i = 0; i < processes.size(); ++i) {
                    processes[i]->check_health(
                        [&](std::uint32_t buffer, std::uint64_t serial) { return !ready || ready(i, buffer, serial); });
                }
            }));
        lock.lock();
    }
}

result<ipc::child_process> process_pipeline::spawn(const stage_setup::starter& start) {
    // Two stages may die at once: serialise, so that each gets its own child and not the other's.
    const std::lock_guard one(spawning_);
    std::unique_lock lock(mutex_);
    to_start_ = &start;
    asked_.notify_all();
    answered_.wait(lock, [&] { return started_.has_value(); });
    auto child = std::move(*started_);
    started_.reset();
    return child;
}

result<void> process_pipeline::capture(process_job& j, const std::function<result<void>(process_job&)>& begin) {
    FACEFLOW_ASSIGN(j.source,
                    sources_.find(j.from.id.source, [this] { return result<source_state>(source_state(options_)); }));
    j.number = sources_.begin(*j.source);
    j.serial = serial_ += 2;
    j.base.serial = j.serial;
    j.base.source = j.from.id.source;
    j.base.sequence = j.from.id.sequence;
    j.base.picture = facts_of(j.from.picture);
    if (trace_ != nullptr) trace_->begin(j.from.id);
    return begin(j);
}

std::optional<stage_response> process_pipeline::call_stage(stage_process& stage, process_job& job,
                                                           const stage_call& call,
                                                           std::span<const vision::detection> faces,
                                                           std::span<const std::span<const std::byte>> payload) {
    if (!job.failed) return std::nullopt;
    auto answer = stage.call(call, faces, payload);
    if (answer) return std::move(*answer);
    job.failed = tl::unexpected(std::move(answer.error()));
    return std::nullopt;
}

void process_pipeline::record(const stage_counters& c) {
    ledger& counts = device_.book();
    for (const direction d : {direction::host_to_device, direction::device_to_host})
        counts.charge_link(d, c.link_ns[static_cast<std::size_t>(d)]);
    for (const stage s : all_stages) {
        const auto i = static_cast<std::size_t>(s);
        for (const direction d : {direction::host_to_device, direction::device_to_host}) {
            const auto& m = c.transfers[static_cast<std::size_t>(d)][i];
            counts.include(d, s, {m.count, m.bytes, m.pinned_count, m.pinned_bytes});
        }
        counts.include_syncs(s, c.syncs[i]);
        if (c.runs[i] == 0) continue;
        const auto each = std::chrono::nanoseconds(c.nanoseconds[i] / c.runs[i]);
        for (std::uint64_t n = 0; n < std::min<std::uint64_t>(c.runs[i], 64); ++n)
            metrics_.of(s).record(each);
    }
    const std::lock_guard lock(mutex_);
    cache_.hits += c.hits;
    cache_.misses += c.misses;
    cache_.evictions += c.evictions;
    cache_.expirations += c.expirations;
    metrics_.errors.add("stale_call", c.stale);
    transferred_ += c.seen;
}

void process_pipeline::decide(process_job& job) {
    if (job.source == nullptr || !follows(job.from)) return;
    sources_.wait_for_previous(*job.source, job.number);
    job.how = job.source->state.schedule.next(job.from.pts_ns);
}

void process_pipeline::complete(process_job& job) {
    if (trace_ != nullptr) trace_->end(job.from.id);
    if (job.source != nullptr) {
        detect_schedule& schedule = job.source->state.schedule;
        job.failed ? schedule.done(job.state) : schedule.failed();
        sources_.finish(*job.source, job.number);
    }
    deliver(job, job.failed ? std::move(job.faces) : result<frame_faces>(tl::unexpected(job.failed.error())), reorder_);
}

void process_pipeline::collect_counters() {
    std::unique_lock lock(mutex_);
    const auto processes = processes_;
    lock.unlock();
    for (const auto& p : processes)
        p->collect_counters();
}

frame_cache_counts process_pipeline::cache() const {
    const std::lock_guard lock(mutex_);
    return cache_;
}

transfer_totals process_pipeline::transferred() const {
    const std::lock_guard lock(mutex_);
    return transferred_;
}

result<void> process_pipeline::health() const {
    const std::lock_guard lock(mutex_);
    for (const auto& p : processes_) {
        FACEFLOW_TRY(p->health());
    }
    return {};
}

std::size_t process_pipeline::peak_bytes() const {
    const std::lock_guard lock(mutex_);
    std::size_t sum = 0;
    for (const auto& p : processes_)
        sum += p->peak_bytes();
    return sum;
}

std::size_t process_pipeline::leases() const {
    const std::lock_guard lock(mutex_);
    std::size_t sum = 0;
    for (const auto& p : processes_)
        sum += p->leases();
    return sum;
}

}  // namespace faceflow::internal::flow
