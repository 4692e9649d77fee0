// SPDX-License-Identifier: Apache-2.0
// Reports a host access to an emulated device's memory, which is a segmentation fault, as one line.
#pragma once

#include <cstddef>
#include <string_view>

namespace faceflow::internal {

// Makes SIGSEGV and SIGBUS inside the memory of an emulated device print one line to standard error (device, offset,
// and the stage and frame of the thread's stage_scope) and abort. Other faults go to the previous handler. Applies to
// the whole process until it ends; a second call has no effect. The library never calls it.
void install_fault_reporter();

// Registers a device's address range with the reporter during its lifetime. The table is the only process-wide state of
// the device layer: a signal handler has no argument through which to find devices. It holds 64 ranges; the faults of
// further devices are reported as ordinary ones. Thread-safe.
class fault_range {
public:
    fault_range(std::string_view device_name, const std::byte* begin, std::size_t bytes) noexcept;
    ~fault_range();
    fault_range(const fault_range&) = delete;
    fault_range& operator=(const fault_range&) = delete;

private:
    int entry_ = -1;
};

}  // namespace faceflow::internal
