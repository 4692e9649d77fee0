// SPDX-License-Identifier: Apache-2.0
// CUDA's status codes as errors, and the current device of a thread. For src/device/cuda alone.
#pragma once

#include <cuda_runtime_api.h>

#include <string_view>

#include "faceflow/result.hpp"

namespace faceflow {

// The call, CUDA's name and sentence for `status`, and what to do. Memory that ran out is errc::out_of_memory, a device that
// cannot be used errc::unavailable, what a device lacks errc::unsupported, an error after which every call of this process
// fails errc::device_lost; the rest is errc::internal.
[[nodiscard]] error cuda_error(cudaError_t status, std::string_view call);

// Takes an error that a call has returned out of the thread's "last error", where a later kernel launch would find it.
void forget_last_error() noexcept;

// {} for cudaSuccess, else cuda_error; the thread's last error is forgotten.
[[nodiscard]] result<void> checked(cudaError_t status, std::string_view call);

// A function of the driver that the runtime has opened, in the form that CUDA `version` (as 11070) has; null when it has none.
[[nodiscard]] void* driver_function(const char* name, unsigned int version);

// Of device `index`; 0 when the driver does not know it.
[[nodiscard]] int device_attribute(cudaDeviceAttr which, int index);
// Whether pools of the device can be opened by other processes.
[[nodiscard]] bool exports_descriptors(int index);

// Makes a device current for the calling thread and puts back the one before: a program that uses faceflow may use CUDA
// itself. Costs one look-up where it is current already.
class current_device {
public:
    explicit current_device(int index) noexcept;
    ~current_device();
    current_device(const current_device&) = delete;
    current_device& operator=(const current_device&) = delete;
    [[nodiscard]] cudaError_t status() const noexcept { return status_; }

private:
    int before_ = 0;
    bool changed_ = false;
    cudaError_t status_ = cudaSuccess;
};

}  // namespace faceflow
