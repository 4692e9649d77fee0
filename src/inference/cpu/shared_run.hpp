// SPDX-License-Identifier: Apache-2.0
// Runs one picture's steps on several threads.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "inference/cpu/prepared_network.hpp"

namespace faceflow::internal::inference::cpu {

// The threads share the parts of a step and then move on to the next step together. The result does not depend on their
// number.
class shared_run {
public:
    // For bindings with the steps of `of`, which need not outlive this; `threads`: the approximate number of threads.
    shared_run(const prepared_binding& of, std::int32_t threads);

    // Call it before each picture, while no thread is in work().
    void begin(std::int32_t picture);
    // Returns when the last step is done. For any number of threads, each with scratch memory and a binding of its own:
    // on the same maps, except for streamed rows (memory_layout::beside). Late threads help with the remaining parts;
    // no thread waits for one that has not come.
    void work(const prepared_binding& binding, float* scratch) const;

private:
    struct alignas(64) progress {
        std::atomic<std::int32_t> next{0}, done{0};  // parts
    };
    void work(const bound_step& s, progress& p, float* scratch) const;

    const std::size_t count_;
    const std::int32_t threads_;
    const std::unique_ptr<progress[]> steps_;
    std::int32_t picture_ = 0;
};

}  // namespace faceflow::internal::inference::cpu
