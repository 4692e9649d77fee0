// Stages on a thread each, joined by bounded queues: a job goes through all of them, in order.
#pragma once

#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "core/queue.hpp"

namespace faceflow::flow {

template <class Job>
class stage_pipeline {
public:
    using edge = bounded_queue<std::unique_ptr<Job>>;
    using step = std::function<void(Job&)>;
    static constexpr std::size_t waiting = 2;  // jobs on an edge

    ~stage_pipeline() { join(); }

    // `produce` runs on a thread of its own, pushes jobs and returns when there are no more. Every job goes through every
    // step: one that failed is for the steps to pass by, so that order is kept.
    void start(std::function<void(edge&)> produce, std::vector<step> steps) {
        for (std::size_t i = 0; i < steps.size(); ++i)
            edges_.push_back(std::make_unique<edge>(waiting, queue_policy::block));
        threads_.emplace_back([produce = std::move(produce), to = edges_.front().get()] {
            produce(*to);
            to->close();
        });
        for (std::size_t i = 0; i < steps.size(); ++i) {
            edge* to = i + 1 < steps.size() ? edges_[i + 1].get() : nullptr;
            threads_.emplace_back([work = std::move(steps[i]), from = edges_[i].get(), to] {
                while (auto job = from->pop()) {
                    work(**job);
                    if (to != nullptr) to->push(std::move(*job));
                }
                if (to != nullptr) to->close();
            });
        }
    }

    // Once `produce` is on its way to its end.
    void join() {
        for (auto& t : threads_)
            t.join();
        threads_.clear();
    }

private:
    std::vector<std::unique_ptr<edge>> edges_;
    std::vector<std::thread> threads_;
};

}  // namespace faceflow::flow
