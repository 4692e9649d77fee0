// SPDX-License-Identifier: Apache-2.0
#include "flow/process/process_line.hpp"

#include <fmt/format.h>

#include "flow/process/stage_program.hpp"

namespace faceflow::flow {
namespace {

std::unique_ptr<slice_book> drawn_by(const flow_parts& parts, const device_context& d) {
    if (parts.counters.tracing == nullptr) return nullptr;
    const bool alone = parts.devices.size() == 1;
    return std::make_unique<slice_book>(*parts.counters.tracing,
                                        alone ? "" : fmt::format("{} {} ", name(d.on->kind()), d.on->index()));
}

}  // namespace

process_line::process_line(const device_context& d, const flow_parts& parts, std::size_t number, input_queue& from,
                           reorder_buffer& to, thread_failed failed)
    : device_(*d.on),
      options_(parts.chosen),
      metrics_(parts.counters),
      note_(parts.note),
      device_number_(number),
      detect_every_(static_cast<std::size_t>(parts.chosen.detect_every)),
      inputs_(from),
      reorder_(to),
      failed_(std::move(failed)),
      drawn_(drawn_by(parts, d)) {}

result<void> process_line::start_watcher() {
    if (watcher_.joinable()) return {};
    auto started = start_jthread(
        "looking after stage processes", [this](const std::stop_token& stop) { watch(stop); }, failed_);
    if (!started) return tl::unexpected(std::move(started.error()));
    watcher_ = std::move(*started);
    return {};
}

result<std::shared_ptr<stage_process>> process_line::start_stage(stage_role role, std::uint32_t places,
                                                                 ipc::control_page& own, std::vector<int> pages,
                                                                 exported_slabs* slabs) {
    if (auto r = start_watcher(); !r) return tl::unexpected(std::move(r.error()));
    auto program = find_stage_program();
    if (!program) return tl::unexpected(std::move(program.error()));
    stage_setup s;
    s.hello = {role, options_, 0, places, drawn_ != nullptr};
    s.hello.chosen.device = device_.kind() == device_kind::cuda ? fmt::format("cuda:{}", device_.index())
                                                                : std::string(name(device_.kind()));
    s.hello.chosen.device_memory = device_.pool().limit_bytes();  // of each process: the engine has divided it
    s.program = std::move(*program);
    s.own = &own;
    s.pages = std::move(pages);
    s.slabs = slabs;
    s.restarts = options_.stage_restarts;
    // A GPU's libraries plan for seconds when they meet a new size of batch.
    const double patience = device_.computes_on_host() ? options_.stage_timeout : std::max(options_.stage_timeout, 5.0);
    s.patience = std::chrono::nanoseconds(static_cast<std::int64_t>(patience * 1e9));
    s.note = note_;
    s.account = [this, role](const stage_counters& counters, std::span<const stage_slice> slices) {
        enter(counters);
        if (drawn_ != nullptr) metrics_.errors.add("trace_slice", drawn_->draw(role, slices));
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

result<void> process_line::run(std::function<result<void>(process_job&)> begin,
                               std::vector<stage_pipeline<process_job>::step> steps) {
    steps.emplace_back([this](process_job& j) { deliver(j); });
    return pipeline_.start([this, begin = std::move(begin)](auto& to) { capture(to, begin); }, std::move(steps),
                           failed_);
}

void process_line::stop() {
    pipeline_.join();
    {
        const std::lock_guard lock(mutex_);
        processes_.clear();
    }
    watcher_ = {};
}

void process_line::judge_by(has_inputs ready) {
    const std::lock_guard lock(mutex_);
    ready_ = std::move(ready);
}

void process_line::watch(const std::stop_token& stop) {
    // Processes end with this thread, which started them: no want of memory may end it.
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
        // One look that finds no memory is made up for by the next.
        const auto known = caught("looking for stage processes", [&] {
            processes = processes_;
            ready = ready_;
        });
        lock.unlock();
        if (known)
            static_cast<void>(caught("looking after stage processes", [&] {
                for (std::size_t i = 0; i < processes.size(); ++i) {
                    processes[i]->check_health(
                        [&](std::uint32_t place, std::uint64_t serial) { return !ready || ready(i, place, serial); });
                }
            }));
        lock.lock();
    }
}

result<ipc::child_process> process_line::spawn(const stage_setup::starter& start) {
    // Two stages may die at once: each waits for its own child, and not for whichever comes first.
    const std::lock_guard one(spawning_);
    std::unique_lock lock(mutex_);
    to_start_ = &start;
    asked_.notify_all();
    answered_.wait(lock, [&] { return started_.has_value(); });
    auto child = std::move(*started_);
    started_.reset();
    return child;
}

void process_line::capture(stage_pipeline<process_job>::edge& to,
                           const std::function<result<void>(process_job&)>& begin) {
    for (auto taken = inputs_.take({device_number_}); !taken.empty(); taken = inputs_.take({device_number_})) {
        frame_group& group = taken.front();
        auto outcomes = std::make_shared<group_outcomes>(
            group_outcomes{group.line, group.index, group.device, group.frames.size(), {}});
        for (std::size_t i = 0; i < group.frames.size(); ++i) {
            auto j = std::make_unique<process_job>();
            j->group = outcomes;
            j->from = std::move(group.frames[i]);
            j->detect = i == 0 ? group.detect_first : i % detect_every_ == 0;
            {
                const std::lock_guard lock(mutex_);
                j->source = &sources_[j->from.id.source];
                j->number = ++j->source->begun;
            }
            j->serial = serial_ += 2;
            j->base.serial = j->serial;
            j->base.source = j->from.id.source;
            j->base.sequence = j->from.id.sequence;
            j->base.picture = facts_of(j->from.picture);
            if (drawn_ != nullptr) drawn_->begin(j->from.id);
            if (auto begun = caught("taking a frame on", [&] { j->failed = begin(*j); }); !begun)
                j->failed = std::move(begun);
            to.push(std::move(j));
        }
    }
}

bool process_line::ask(stage_process& stage, process_job& job, const stage_call& call,
                       std::span<const vision::detection> faces, std::span<const std::span<const std::byte>> payload,
                       stage_response* into) {
    if (!job.failed) return false;
    auto answer = stage.call(call, faces, payload);
    if (!answer) {
        job.failed = tl::unexpected(std::move(answer.error()));
        return false;
    }
    if (into != nullptr) *into = std::move(*answer);
    return true;
}

void process_line::enter(const stage_counters& c) {
    ledger& book = device_.book();
    for (const direction d : {direction::host_to_device, direction::device_to_host})
        book.charge_link(d, c.link_ns[static_cast<std::size_t>(d)]);
    for (const stage s : all_stages) {
        const auto i = static_cast<std::size_t>(s);
        for (const direction d : {direction::host_to_device, direction::device_to_host}) {
            const auto& m = c.transfers[static_cast<std::size_t>(d)][i];
            book.include(d, s, {m.count, m.bytes, m.pinned_count, m.pinned_bytes});
        }
        book.include_syncs(s, c.syncs[i]);
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
    crossed_ += c.seen;
}

void process_line::await_turn(process_job& job) {
    if (job.detect) return;
    std::unique_lock lock(mutex_);
    finished_.wait(lock, [&] { return job.source->finished + 1 >= job.number; });
    job.detect = !job.source->known;
}

void process_line::deliver(process_job& job) {
    if (drawn_ != nullptr) drawn_->end(job.from.id);
    {
        const std::lock_guard lock(mutex_);
        job.source->finished = job.number;
        job.source->known = job.failed.has_value();
    }
    finished_.notify_all();
    group_outcomes& u = *job.group;
    u.done.push_back({std::move(job.from),
                      job.failed ? std::move(job.faces) : result<frame_faces>(tl::unexpected(job.failed.error()))});
    if (u.done.size() == u.frames) reorder_.put(u.line, u.index, u.device, std::move(u.done));
}

void process_line::settle_accounts() {
    std::unique_lock lock(mutex_);
    const auto processes = processes_;
    lock.unlock();
    for (const auto& p : processes)
        p->settle_accounts();
}

frame_cache_counts process_line::cache() const {
    const std::lock_guard lock(mutex_);
    return cache_;
}

transfer_totals process_line::crossed() const {
    const std::lock_guard lock(mutex_);
    return crossed_;
}

result<void> process_line::health() const {
    const std::lock_guard lock(mutex_);
    for (const auto& p : processes_) {
        if (auto r = p->health(); !r) return r;
    }
    return {};
}

std::size_t process_line::peak_bytes() const {
    const std::lock_guard lock(mutex_);
    std::size_t sum = 0;
    for (const auto& p : processes_)
        sum += p->peak_bytes();
    return sum;
}

std::size_t process_line::leases() const {
    const std::lock_guard lock(mutex_);
    std::size_t sum = 0;
    for (const auto& p : processes_)
        sum += p->leases();
    return sum;
}

}  // namespace faceflow::flow
