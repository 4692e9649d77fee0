// SPDX-License-Identifier: Apache-2.0
// Turns a host access to the memory of an emulated device, which is a segmentation fault, into a line that says so.
#pragma once

#include <cstddef>
#include <string_view>

namespace faceflow {

// Makes SIGSEGV and SIGBUS inside the memory of an emulated device print one line to standard error (device, offset, and the
// stage and frame of the thread's stage_scope) and abort. Any other fault goes to the handler that was there before. For the
// whole process, until it ends; a second call does nothing. Never called by the library on its own.
void install_fault_reporter();

// Makes a device's address range known to the reporter while it lives. The table behind it is the one piece of process-wide
// state of the device layer: a signal handler gets no argument to find its devices by. It holds 64 ranges; a device beyond
// that works, but its faults are reported as ordinary ones. Thread-safe.
class fault_range {
public:
    fault_range(std::string_view device_name, const std::byte* begin, std::size_t bytes) noexcept;
    ~fault_range();
    fault_range(const fault_range&) = delete;
    fault_range& operator=(const fault_range&) = delete;

private:
    int entry_ = -1;
};

}  // namespace faceflow
