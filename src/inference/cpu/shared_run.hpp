// SPDX-License-Identifier: Apache-2.0
// One picture's steps by several threads at once.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "inference/cpu/prepared_network.hpp"

namespace faceflow::inference::cpu {

// The threads share the parts of a step and go on together to the next. What comes out does not depend on how many there are.
class shared_run {
public:
    // For bindings with the steps of `of`, which need not stay; `threads`: about how many there will be.
    shared_run(const prepared_binding& of, std::int32_t threads);

    // Before each picture, while no thread is in work().
    void begin(std::int32_t picture);
    // Returns when the last step is done. For any number of threads, each with scratch memory and a binding of its own: on the same
    // maps, but for rows that pass by (memory_layout::beside). Who comes late helps with what is left, and nobody waits for one that has
    // not come.
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

}  // namespace faceflow::inference::cpu
