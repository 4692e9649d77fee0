// SPDX-License-Identifier: Apache-2.0
// CUDA status codes as errors, and the thread's current device. Private to src/device/cuda.
#pragma once

#include <cuda_runtime_api.h>

#include <string_view>

#include "faceflow/result.hpp"

namespace faceflow::internal {

// The message names the call, CUDA's name and description of `status`, and what to do. Out of memory is
// errc::out_of_memory, an unusable device errc::unavailable, a missing feature errc::unsupported, an error after which
// every call of this process fails errc::device_lost; anything else is errc::internal.
[[nodiscard]] error cuda_error(cudaError_t status, std::string_view call);

// Clears the thread's last error after a call has returned it; a later kernel launch would report it as its own.
void forget_last_error() noexcept;

// {} for cudaSuccess, else cuda_error; clears the thread's last error.
[[nodiscard]] result<void> checked(cudaError_t status, std::string_view call);

// A function of the driver that the runtime has loaded, in the form of CUDA `version` (such as 11070); null if the
// driver lacks it.
[[nodiscard]] void* driver_function(const char* name, unsigned int version);

// An attribute of device `index`; 0 when the driver does not know it.
[[nodiscard]] int device_attribute(cudaDeviceAttr which, int index);
// Whether other processes can open the device's pools.
[[nodiscard]] bool exports_descriptors(int index);

// Makes a device current for the calling thread and restores the previous one: a program that uses faceflow may use
// CUDA itself. Costs one query if the device is already current.
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

}  // namespace faceflow::internal
