#include "device/cuda/cuda_pool.hpp"

#include <fmt/format.h>

#include <cstdint>

#include "device/cuda/cuda_error.hpp"

namespace faceflow {
namespace {

// The step in which the card gives memory: a limit between two steps would cut off what is past the lower one.
constexpr std::size_t granularity = std::size_t{2} << 20;

int attribute(cudaDeviceAttr which, int index) {
    int value = 0;
    if (cudaDeviceGetAttribute(&value, which, index) == cudaSuccess) return value;
    forget_last_error();
    return 0;
}

bool exports_descriptors(int index) {
    return (attribute(cudaDevAttrMemoryPoolSupportedHandleTypes, index) & cudaMemHandleTypePosixFileDescriptor) != 0;
}

}  // namespace

result<std::unique_ptr<cuda_pool>> cuda_pool::create(int index, std::size_t cap) {
    if (attribute(cudaDevAttrMemoryPoolsSupported, index) == 0) {
        return fail(errc::unsupported,
                    fmt::format("CUDA device {} has no stream-ordered memory pools; they need a newer driver, and in a "
                                "virtual machine a GPU that is passed through whole",
                                index));
    }
    auto pool = std::unique_ptr<cuda_pool>(new cuda_pool(index, exports_descriptors(index)));
    if (auto opened = pool->open(cap); !opened) return tl::unexpected(std::move(opened.error()));
    return pool;
}

result<void> cuda_pool::open(std::size_t cap) {
    cudaMemPoolProps wanted{};
    wanted.allocType = cudaMemAllocationTypePinned;
    wanted.handleTypes = exportable_ ? cudaMemHandleTypePosixFileDescriptor : cudaMemHandleTypeNone;
    wanted.location.type = cudaMemLocationTypeDevice;
    wanted.location.id = index_;
    wanted.maxSize = (cap + granularity - 1) / granularity * granularity;
    if (auto made = checked(cudaMemPoolCreate(&pool_, &wanted), "cudaMemPoolCreate"); !made) return made;
    std::uint64_t keep = wanted.maxSize;
    if (auto set =
            checked(cudaMemPoolSetAttribute(pool_, cudaMemPoolAttrReleaseThreshold, &keep), "cudaMemPoolSetAttribute");
        !set) {
        return set;
    }
    return checked(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "cudaStreamCreateWithFlags");
}

cuda_pool::~cuda_pool() {
    const current_device scope(index_);
    // Errors have nowhere to go: the driver takes everything back with the context.
    if (stream_ != nullptr && cudaStreamSynchronize(stream_) != cudaSuccess) forget_last_error();
    if (stream_ != nullptr && cudaStreamDestroy(stream_) != cudaSuccess) forget_last_error();
    if (pool_ != nullptr && cudaMemPoolDestroy(pool_) != cudaSuccess) forget_last_error();
}

result<std::byte*> cuda_pool::allocate(std::size_t bytes) {
    const current_device scope(index_);
    void* memory = nullptr;
    if (auto taken = checked(cudaMallocFromPoolAsync(&memory, bytes, pool_, stream_), "cudaMallocFromPoolAsync");
        !taken)
        return tl::unexpected(std::move(taken.error()));
    if (auto there = checked(cudaStreamSynchronize(stream_), "cudaStreamSynchronize"); !there)
        return tl::unexpected(std::move(there.error()));
    return static_cast<std::byte*>(memory);
}

void cuda_pool::deallocate(std::byte* memory, std::size_t) noexcept {
    const current_device scope(index_);
    if (cudaFreeAsync(memory, stream_) != cudaSuccess) forget_last_error();
}

result<int> cuda_pool::export_descriptor() const {
    if (!exportable_)
        return fail(errc::unsupported, fmt::format("CUDA device {} cannot export its memory to processes", index_));
    const current_device scope(index_);
    int descriptor = -1;
    if (auto made =
            checked(cudaMemPoolExportToShareableHandle(&descriptor, pool_, cudaMemHandleTypePosixFileDescriptor, 0),
                    "cudaMemPoolExportToShareableHandle");
        !made) {
        return tl::unexpected(std::move(made.error()));
    }
    return descriptor;
}

result<cudaMemPoolPtrExportData> cuda_pool::export_allocation(std::byte* memory) const {
    const current_device scope(index_);
    cudaMemPoolPtrExportData name{};
    if (auto made = checked(cudaMemPoolExportPointer(&name, memory), "cudaMemPoolExportPointer"); !made)
        return tl::unexpected(std::move(made.error()));
    return name;
}

}  // namespace faceflow
