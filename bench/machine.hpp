// SPDX-License-Identifier: Apache-2.0
// What this machine can do at best, measured beside everything else, so that figures can be read as shares of a limit.
#pragma once

#include <cstddef>

namespace faceflow::internal::bench {

struct machine_limits {
    double copy_bytes_per_second = 0;  // memcpy of buffers far larger than the caches; bytes read plus bytes written
    double flops_per_second = 0;       // fp32 fused multiply-adds in registers, two FLOPs each
};

// With `threads` threads at once; the sum over them. Takes some 0.2 s. Best of several short goes, since only
// interference makes one slower.
[[nodiscard]] machine_limits measure_limits(unsigned threads);

// Of this process, so far.
[[nodiscard]] std::size_t peak_resident_bytes();
[[nodiscard]] double seconds_since_process_start();

// CPU seconds since boot: all that this machine's cores worked, and what this process did of it.
struct cpu_seconds {
    double machine = 0, own = 0;
};
[[nodiscard]] cpu_seconds cpu_now();

}  // namespace faceflow::internal::bench
