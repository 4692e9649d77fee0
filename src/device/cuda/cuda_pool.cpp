// SPDX-License-Identifier: Apache-2.0
#include "device/cuda/cuda_pool.hpp"

#include <fmt/format.h>

#include <cstdint>
#include <cstring>

#include "core/try.hpp"
#include "device/cuda/cuda_error.hpp"
#include "device/gpu_facts.hpp"

namespace faceflow::internal {
namespace {

// The granularity of the card's memory: a limit between two steps would cut off the memory beyond the lower one.
constexpr std::size_t granularity = std::size_t{2} << 20;

double in_mib(std::size_t bytes) {
    return static_cast<double>(bytes) / 0x1p20;
}

}  // namespace

result<std::unique_ptr<cuda_pool>> cuda_pool::create(int index, std::size_t cap) {
    if (device_attribute(cudaDevAttrMemoryPoolsSupported, index) == 0)
        return fail(errc::unsupported, no_memory_pools(index));
    std::size_t free = 0, total = 0;
    FACEFLOW_TRY(checked(cudaMemGetInfo(&free, &total), "cudaMemGetInfo"));
    if (cap > total) {
        return fail(
            errc::out_of_memory,
            fmt::format("a device memory limit of {:.1f} MiB is more than CUDA device {} has ({:.1f} MiB); lower "
                        "--device-memory",
                        in_mib(cap), index, in_mib(total)));
    }
    auto pool = std::unique_ptr<cuda_pool>(new cuda_pool(index, exports_descriptors(index)));
    FACEFLOW_TRY(pool->open(cap));
    return pool;
}

result<void> cuda_pool::open(std::size_t cap) {
    cudaMemPoolProps wanted{};
    wanted.allocType = cudaMemAllocationTypePinned;
    wanted.handleTypes = exportable_ ? cudaMemHandleTypePosixFileDescriptor : cudaMemHandleTypeNone;
    wanted.location.type = cudaMemLocationTypeDevice;
    wanted.location.id = index_;
    wanted.maxSize = (cap + granularity - 1) / granularity * granularity;
    FACEFLOW_TRY(checked(cudaMemPoolCreate(&pool_, &wanted), "cudaMemPoolCreate"));
    size_ = wanted.maxSize;
    std::uint64_t keep = size_;
    if (auto set =
            checked(cudaMemPoolSetAttribute(pool_, cudaMemPoolAttrReleaseThreshold, &keep), "cudaMemPoolSetAttribute");
        !set) {
        return set;
    }
    return checked(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "cudaStreamCreateWithFlags");
}

cuda_pool::~cuda_pool() {
    const current_device scope(index_);
    // Errors cannot be reported here; the driver frees everything with the context.
    if (stream_ != nullptr && cudaStreamSynchronize(stream_) != cudaSuccess) forget_last_error();
    if (stream_ != nullptr && cudaStreamDestroy(stream_) != cudaSuccess) forget_last_error();
    if (pool_ != nullptr && cudaMemPoolDestroy(pool_) != cudaSuccess) forget_last_error();
}

result<std::byte*> cuda_pool::allocate(std::size_t bytes) {
    const current_device scope(index_);
    void* memory = nullptr;
    const cudaError_t status = cudaMallocFromPoolAsync(&memory, bytes, pool_, stream_);
    if (status == cudaErrorMemoryAllocation) return no_room(bytes);
    FACEFLOW_TRY(checked(status, "cudaMallocFromPoolAsync"));
    waits_.fetch_add(1, std::memory_order_relaxed);
    FACEFLOW_TRY(checked(cudaStreamSynchronize(stream_), "cudaStreamSynchronize"));
    return static_cast<std::byte*>(memory);
}

// Either the card or the pool is full; CUDA does not say which.
tl::unexpected<error> cuda_pool::no_room(std::size_t bytes) const {
    forget_last_error();
    // The failed attempt may have taken all that the card had left.
    if (cudaMemPoolTrimTo(pool_, 0) != cudaSuccess) forget_last_error();
    std::size_t free = 0, total = 0;
    FACEFLOW_TRY(checked(cudaMemGetInfo(&free, &total), "cudaMemGetInfo"));
    if (free < bytes) {
        return fail(errc::out_of_memory,
                    fmt::format("{:.1f} MiB more cannot be had: CUDA device {} has {:.1f} MiB free of {:.1f}; lower "
                                "--device-memory, or free memory on the card (nvidia-smi shows who uses it)",
                                in_mib(bytes), index_, in_mib(free), in_mib(total)));
    }
    return fail(
        errc::out_of_memory,
        fmt::format("{:.1f} MiB more do not fit into the {:.1f} MiB pool of CUDA device {}: what is left of it is "
                    "in pieces (CUDA rounds each allocation up to 512 bytes); raise --device-memory",
                    in_mib(bytes), in_mib(size_), index_));
}

void cuda_pool::deallocate(std::byte* memory, std::size_t) noexcept {
    const current_device scope(index_);
    if (cudaFreeAsync(memory, stream_) != cudaSuccess) forget_last_error();
}

result<memory_export> cuda_pool::export_memory(std::byte* memory, std::size_t bytes) const {
    if (!exportable_)
        return fail(errc::unsupported, fmt::format("CUDA device {} cannot export its memory to processes", index_));
    if (bytes == 0) return fail(errc::invalid_argument, "an export of no bytes of CUDA memory");
    const current_device scope(index_);
    // Export the pool first: until then, CUDA refuses to export its allocations (cudaErrorInvalidValue).
    int shared = -1;
    if (auto made = checked(cudaMemPoolExportToShareableHandle(&shared, pool_, cudaMemHandleTypePosixFileDescriptor, 0),
                            "cudaMemPoolExportToShareableHandle");
        !made) {
        return tl::unexpected(std::move(made.error()));
    }
    unique_fd descriptor(shared);
    ::fcntl(shared, F_SETFD, FD_CLOEXEC);
    cudaMemPoolPtrExportData named{};
    if (auto made = checked(cudaMemPoolExportPointer(&named, memory), "cudaMemPoolExportPointer"); !made)
        return tl::unexpected(error{errc::invalid_argument, std::move(made.error().message)});
    memory_export exported{{device_kind::cuda, 0, bytes, {}}, std::move(descriptor)};
    static_assert(sizeof(named) == sizeof(exported.where.name));
    std::memcpy(exported.where.name.data(), &named, sizeof(named));
    return exported;
}

}  // namespace faceflow::internal
