// SPDX-License-Identifier: Apache-2.0
// Stages with a thread each, connected by bounded queues: every job passes through all of them, in order.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "core/queue.hpp"
#include "core/thread.hpp"
#include "core/try.hpp"

namespace faceflow::internal::flow {

// A Job has a member `failed` (result<void>), which the steps check.
template <class Job>
class stage_pipeline {
public:
    using job_queue = bounded_queue<std::unique_ptr<Job>>;
    using step = std::function<void(Job&)>;
    static constexpr std::size_t waiting = 2;  // capacity of each queue, in jobs

    ~stage_pipeline() { join(); }

    // `produce` runs on its own thread, pushes jobs and returns when there are no more. Every job passes through every
    // step, which keeps order; steps skip failed jobs. An exception in a step becomes the job's failure; one in
    // `produce` goes to `failed`. Errors of start_thread: nothing was produced then, and no thread is left running.
    [[nodiscard]] result<void> start(std::function<void(job_queue&)> produce, std::vector<step> steps,
                                     thread_failed failed) {
        auto started = caught_result("starting the stages of a flow", [&] {
            return start_all(std::move(produce), std::move(steps), std::move(failed));
        });
        if (!started) {
            for (auto& q : queues_)
                q->close();
            join();
        }
        return started;
    }

    // Call it once `produce` is about to return.
    void join() {
        for (auto& t : threads_)
            t.join();
        threads_.clear();
    }

private:
    result<void> start_all(std::function<void(job_queue&)> produce, std::vector<step> steps, thread_failed failed) {
        threads_.reserve(steps.size() + 1);  // a thread without a slot here could not be joined
        for (std::size_t i = 0; i < steps.size(); ++i)
            queues_.push_back(std::make_unique<job_queue>(waiting, queue_policy::block));
        // Start the producer last: until then, closing a queue ends the steps behind it.
        for (std::size_t i = steps.size(); i > 0; --i) {
            job_queue* to = i < steps.size() ? queues_[i].get() : nullptr;
            auto started = add(
                "stage " + std::to_string(i) + " of a flow",
                [work = std::move(steps[i - 1]), from = queues_[i - 1].get(), to] { pass_on(work, *from, to); },
                failed);
            if (!started) return started;
        }
        job_queue* first = queues_.front().get();
        return add(
            "taking frames on",
            [produce = std::move(produce), first] {
                produce(*first);
                first->close();
            },
            [failed, first](error e) {
                failed(std::move(e));
                first->close();
            });
    }

    static void pass_on(const step& work, job_queue& from, job_queue* to) {
        while (auto job = from.pop()) {
            if (auto done = caught("working on a frame", [&] { work(**job); }); !done) (*job)->failed = std::move(done);
            if (to != nullptr) to->push(std::move(*job));
        }
        if (to != nullptr) to->close();
    }

    result<void> add(const std::string& doing, std::function<void()> work, thread_failed failed) {
        FACEFLOW_ASSIGN(auto started, start_thread(doing, std::move(work), std::move(failed)));
        threads_.push_back(std::move(started));
        return {};
    }

    std::vector<std::unique_ptr<job_queue>> queues_;
    std::vector<std::thread> threads_;
};

}  // namespace faceflow::internal::flow
