// SPDX-License-Identifier: Apache-2.0
#include "device/emulated/emulated_stream.hpp"

#include <pthread.h>
#include <sys/prctl.h>

#include <chrono>
#include <exception>
#include <utility>

#include "core/thread.hpp"
#include "core/try.hpp"
#include "device/stage_scope.hpp"

namespace faceflow::internal {
namespace {

using clock = std::chrono::steady_clock;

// The tasks are shared with launches that are still queued.
class emulated_graph final : public graph {
public:
    emulated_graph(std::vector<stream::task> tasks, bool transfers)
        : tasks_(std::make_shared<const std::vector<stream::task>>(std::move(tasks))),
          transfers_(transfers) {}
    [[nodiscard]] bool transfers() const noexcept { return transfers_; }
    [[nodiscard]] const std::shared_ptr<const std::vector<stream::task>>& tasks() const noexcept { return tasks_; }

private:
    const std::shared_ptr<const std::vector<stream::task>> tasks_;
    const bool transfers_;
};

}  // namespace

void stream_mark::reach() {
    {
        const std::lock_guard lock(mutex_);
        reached_.store(true, std::memory_order_release);
    }
    changed_.notify_all();
}

void stream_mark::wait() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return reached(); });
}

bool emulated_event::done() const noexcept {
    const std::lock_guard lock(mutex_);
    return latest_ == nullptr || latest_->reached();
}

std::shared_ptr<stream_mark> emulated_event::latest() const {
    const std::lock_guard lock(mutex_);
    return latest_;
}

void emulated_event::renew(std::shared_ptr<stream_mark> mark) {
    const std::lock_guard lock(mutex_);
    latest_ = std::move(mark);
}

result<std::unique_ptr<stream>> emulated_stream::create(device& owner, std::string label) {
    std::unique_ptr<emulated_stream> s(new emulated_stream(owner, std::move(label)));
    // An exception from a task becomes an error of the stream. Any other exception means that there was no memory even
    // for an error message: terminate.
    FACEFLOW_ASSIGN(s->thread_, start_thread(
                                    "the stream " + s->label_, [self = s.get()] { self->work_through(); },
                                    [](const error&) { std::terminate(); }));
    pthread_setname_np(s->thread_.native_handle(), s->label_.substr(0, 15).c_str());
    return s;
}

emulated_stream::~emulated_stream() {
    {
        const std::lock_guard lock(mutex_);
        closing_ = true;
    }
    changed_.notify_one();
    if (thread_.joinable()) thread_.join();
}

void emulated_stream::run(task work) {
    if (captured_ != nullptr) {
        captured_->push_back(std::move(work));
        return;
    }
    add(work_item{std::move(work), stage_scope::current()});
}

result<std::unique_ptr<graph>> emulated_stream::capture(const task& adds) {
    if (failed()) return fail(errc::interrupted, "the stream " + label_ + " has failed: nothing can be captured");
    std::vector<task> tasks;
    captured_transfer_ = false;
    captured_ = &tasks;
    auto added = attempt(adds);
    captured_ = nullptr;
    if (!added) return tl::unexpected(std::move(added.error()));
    return std::make_unique<emulated_graph>(std::move(tasks), captured_transfer_);
}

// One queue item, as a graph is one launch.
void emulated_stream::launch(graph& captured) {
    const auto& its = static_cast<emulated_graph&>(captured);
    run([tasks = its.tasks(), transfers = its.transfers()]() -> result<void> {
        if (transfers)
            return fail(errc::internal,
                        "a graph with transfers was launched as captured, so the ledger would miss them");
        for (const task& t : *tasks) {
            FACEFLOW_TRY(t());
        }
        return {};
    });
}

// Kernel arguments are captured in the tasks, so the tasks are added anew.
void emulated_stream::launch(graph&, const task& adds) {
    if (auto added = attempt(adds); !added) run([added]() -> result<void> { return added; });
}

void emulated_stream::record(event& e) {
    auto mark = std::make_shared<stream_mark>();
    // Before it is queued: once it is reached, the event must no longer show the earlier recording.
    static_cast<emulated_event&>(e).renew(mark);
    add(reach_item{std::move(mark)});
}

void emulated_stream::wait(const event& e) {
    auto mark = static_cast<const emulated_event&>(e).latest();
    if (mark == nullptr || mark->reached()) return;
    add(wait_item{std::move(mark)});
}

void emulated_stream::signal(semaphore& t, std::uint64_t value) {
    add(signal_item{t, value});
}

void emulated_stream::wait(const semaphore& t, std::uint64_t value) {
    if (t.value.load(std::memory_order_acquire) >= value) return;
    add(semaphore_item{t, value});
}

std::shared_ptr<stream_mark> emulated_stream::add_mark() {
    auto mark = std::make_shared<stream_mark>();
    add(reach_item{mark});
    return mark;
}

result<void> emulated_stream::take_error() {
    const std::lock_guard lock(mutex_);
    return std::exchange(error_, result<void>{});
}

bool emulated_stream::failed() {
    const std::lock_guard lock(mutex_);
    return !error_.has_value();
}

void emulated_stream::add(item i) {
    {
        const std::lock_guard lock(mutex_);
        items_.push_back(std::move(i));
    }
    changed_.notify_one();
}

void emulated_stream::work_through() {
    // The default timer slack of 50 us would be a good part of a modelled copy.
    prctl(PR_SET_TIMERSLACK, 1000UL, 0UL, 0UL, 0UL);
    std::unique_lock lock(mutex_);
    while (true) {
        changed_.wait(lock, [&] { return closing_ || !items_.empty(); });
        if (items_.empty()) return;
        {
            item next = std::move(items_.front());
            items_.pop_front();
            lock.unlock();
            perform(next);
        }  // destroys the task's captures before taking the lock: their destructors may add work here
        lock.lock();
    }
}

void emulated_stream::perform(item& i) {
    if (auto* work = std::get_if<work_item>(&i)) {
        perform(*work);
    } else if (auto* reach = std::get_if<reach_item>(&i)) {
        reach->mark->reach();
    } else if (auto* signalled = std::get_if<signal_item>(&i)) {
        raise(signalled->word, signalled->value);
    } else if (auto* word = std::get_if<semaphore_item>(&i)) {
        [[maybe_unused]] const bool always = wait_until(word->word, word->value, clock::time_point::max());
    } else {
        std::get<wait_item>(i).mark->wait();
    }
}

void emulated_stream::perform(const work_item& i) {
    if (failed()) return;
    std::optional<stage_scope> note;
    if (i.noted) note.emplace(*i.noted);
    if (auto done = attempt(i.work); !done) {
        const std::lock_guard lock(mutex_);
        error_ = std::move(done);
    }
}

}  // namespace faceflow::internal
