// SPDX-License-Identifier: Apache-2.0
#include "device/cuda/cuda_semaphores.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <mutex>

#include "core/try.hpp"
#include "device/cuda/cuda_error.hpp"

namespace faceflow::internal {
namespace {

// From this version on, the calls need no option of the driver's module.
constexpr unsigned int since_version = 11070;

}  // namespace

cuda_semaphores::cuda_semaphores(int index)
    : index_(index),
      write_(reinterpret_cast<stream_call>(driver_function("cuStreamWriteValue64", since_version))),
      wait_(reinterpret_cast<stream_call>(driver_function("cuStreamWaitValue64", since_version))) {}

cuda_semaphores::~cuda_semaphores() {
    const current_device scope(index_);
    for (const range& r : ranges_) {
        if (r.ours && cudaHostUnregister(r.host) != cudaSuccess) forget_last_error();
    }
}

result<void> cuda_semaphores::add(std::span<std::byte> pages) {
    const current_device scope(index_);
    FACEFLOW_TRY(checked(scope.status(), "cudaSetDevice"));
    const cudaError_t status =
        cudaHostRegister(pages.data(), pages.size(), cudaHostRegisterMapped | cudaHostRegisterPortable);
    const bool ours = status == cudaSuccess;
    if (status == cudaErrorHostMemoryAlreadyRegistered) {
        forget_last_error();
    } else if (auto registered = checked(status, "cudaHostRegister"); !registered) {
        return registered;
    }
    void* on_device = nullptr;
    if (auto found = checked(cudaHostGetDevicePointer(&on_device, pages.data(), 0), "cudaHostGetDevicePointer");
        !found) {
        if (ours && cudaHostUnregister(pages.data()) != cudaSuccess) forget_last_error();
        return found;
    }
    const std::unique_lock lock(mutex_);
    ranges_.push_back({pages.data(), pages.size(), static_cast<std::byte*>(on_device), ours});
    return {};
}

void cuda_semaphores::remove(std::span<std::byte> pages) noexcept {
    const current_device scope(index_);
    const std::unique_lock lock(mutex_);
    const auto found =
        std::find_if(ranges_.begin(), ranges_.end(), [&](const range& r) { return r.host == pages.data(); });
    if (found == ranges_.end()) return;
    if (found->ours && cudaHostUnregister(found->host) != cudaSuccess) forget_last_error();
    ranges_.erase(found);
}

CUdeviceptr cuda_semaphores::address(const semaphore& t) const {
    const auto word = reinterpret_cast<std::uintptr_t>(&t);
    const std::shared_lock lock(mutex_);
    for (const range& r : ranges_) {
        const auto first = reinterpret_cast<std::uintptr_t>(r.host);
        if (word >= first && word - first < r.bytes) return reinterpret_cast<CUdeviceptr>(r.on_device) + (word - first);
    }
    return 0;
}

result<void> cuda_semaphores::call(const operation& o, cudaStream_t s, const semaphore& t, std::uint64_t value) const {
    if (o.f == nullptr) {
        return fail(errc::unsupported,
                    fmt::format("the NVIDIA driver has no {}; update it to one for CUDA 11.7 or later", o.name));
    }
    const CUdeviceptr word = address(t);
    if (word == 0)
        return fail(errc::invalid_argument,
                    "a stream was given a semaphore that was not registered with its CUDA device");
    const CUresult status = o.f(s, word, value, o.flags);
    if (status == CUDA_SUCCESS) return {};
    if (status == CUDA_ERROR_NOT_SUPPORTED)
        return fail(errc::unsupported, fmt::format("CUDA device {} does not do {}", index_, o.name));
    // The driver's status codes have the same numbers as the runtime's.
    return tl::unexpected(cuda_error(static_cast<cudaError_t>(status), o.name));
}

result<void> cuda_semaphores::store(cudaStream_t s, const semaphore& t, std::uint64_t value) const {
    return call({write_, "cuStreamWriteValue64", CU_STREAM_WRITE_VALUE_DEFAULT}, s, t, value);
}

result<void> cuda_semaphores::await(cudaStream_t s, const semaphore& t, std::uint64_t value) const {
    return call({wait_, "cuStreamWaitValue64", CU_STREAM_WAIT_VALUE_GEQ}, s, t, value);
}

}  // namespace faceflow::internal
