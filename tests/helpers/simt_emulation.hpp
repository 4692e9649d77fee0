// SPDX-License-Identifier: Apache-2.0
// Runs kernels of src/inference/kernels on the CPU: a fibre for each thread of a block, one block after the other. What threads of a
// warp do together, and barriers, are meetings: a thread waits until all have come.
#pragma once

#include <cstddef>
#include <cstdint>

#include "faceflow/result.hpp"

namespace faceflow::internal::emulation {

struct grid {
    std::int32_t x = 1, y = 1;
    int threads = 32;  // whole warps
    std::size_t shared_bytes = 0;
};

// Which threads of a block go first: a warp as far as it comes, then the next; or all of them in step, the last one first. What comes
// out must not depend on it: if it does, a barrier is missing.
enum class order : std::uint8_t { forwards, backwards };

// Calls `thread(parameters)` for every thread of the grid. Shared memory is filled with NaN before each block, and asynchronous
// copies land when they are waited for, not before. errc::internal, and the blocks after it do not run: threads that end or wait
// for something else while others wait at a barrier; threads of a warp that do different things where they should do one
// together; a write beyond the shared memory. Not from two threads at once.
[[nodiscard]] result<void> run(const grid& g, void (*thread)(const void*), const void* parameters,
                               order first = order::forwards);

// Fibres are beyond ThreadSanitizer.
[[nodiscard]] constexpr bool available() noexcept {
#if defined(__SANITIZE_THREAD__)
    return false;
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
    return false;
#else
    return true;
#endif
#else
    return true;
#endif
}

}  // namespace faceflow::internal::emulation
