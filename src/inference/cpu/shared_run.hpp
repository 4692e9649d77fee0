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
    // Of a binding that stays where it is; `threads`: about how many there will be.
    shared_run(const prepared_binding& of, std::int32_t threads);

    // Before each picture, while no thread is in work().
    void begin(std::int32_t picture);
    // Returns when the last step is done. For any number of threads, each with scratch memory of its own; who comes late helps with
    // what is left, and nobody waits for one that has not come.
    void work(float* scratch) const;

private:
    struct alignas(64) progress {
        std::atomic<std::int32_t> next{0}, done{0};  // parts
    };
    void work(std::size_t step, float* scratch) const;

    const prepared_binding& of_;
    const std::int32_t threads_;
    const std::unique_ptr<progress[]> steps_;
    std::int32_t picture_ = 0;
};

}  // namespace faceflow::inference::cpu
