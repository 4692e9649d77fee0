// SPDX-License-Identifier: Apache-2.0
#include "device/cuda/cuda_import.hpp"

#include <fmt/format.h>

#include <cstdint>
#include <cstring>

#include "core/try.hpp"
#include "device/cuda/cuda_error.hpp"

namespace faceflow::internal {
namespace {

class cuda_import final : public memory_import {
public:
    cuda_import(int index, std::size_t bytes) : index_(index), bytes_(bytes) {}
    ~cuda_import() override {
        const current_device scope(index_);
        if (memory_ != nullptr && cudaFree(memory_) != cudaSuccess) forget_last_error();
        if (pool_ != nullptr && cudaMemPoolDestroy(pool_) != cudaSuccess) forget_last_error();
    }
    std::byte* data() const noexcept override { return static_cast<std::byte*>(memory_); }
    std::size_t bytes() const noexcept override { return bytes_; }

    result<void> open_pool(int descriptor);
    result<void> open_allocation(const memory_location& where);

private:
    result<void> allow_access();

    const int index_;
    const std::size_t bytes_;
    cudaMemPool_t pool_ = nullptr;
    void* memory_ = nullptr;
};

// If the driver refuses it, it was no export, or one of a pool that is gone.
result<void> taken(cudaError_t status, const char* call) {
    auto outcome = checked(status, call);
    if (!outcome && (status == cudaErrorInvalidValue || status == cudaErrorInvalidResourceHandle))
        outcome.error().code = errc::corrupt;
    return outcome;
}

result<void> cuda_import::open_pool(int descriptor) {
    // The API takes the descriptor as a pointer value.
    auto* const handle = reinterpret_cast<void*>(static_cast<std::intptr_t>(descriptor));
    if (auto opened =
            taken(cudaMemPoolImportFromShareableHandle(&pool_, handle, cudaMemHandleTypePosixFileDescriptor, 0),
                  "cudaMemPoolImportFromShareableHandle");
        !opened) {
        pool_ = nullptr;
        return opened;
    }
    return allow_access();
}

result<void> cuda_import::allow_access() {
    cudaMemLocation here{};
    here.type = cudaMemLocationTypeDevice;
    here.id = index_;
    cudaMemAccessFlags allowed = cudaMemAccessFlagsProtNone;
    FACEFLOW_TRY(checked(cudaMemPoolGetAccess(&allowed, pool_, &here), "cudaMemPoolGetAccess"));
    if (allowed == cudaMemAccessFlagsProtReadWrite) return {};
    const cudaMemAccessDesc wanted{here, cudaMemAccessFlagsProtReadWrite};
    return checked(cudaMemPoolSetAccess(pool_, &wanted, 1), "cudaMemPoolSetAccess");
}

result<void> cuda_import::open_allocation(const memory_location& where) {
    cudaMemPoolPtrExportData named{};
    static_assert(sizeof(named) == sizeof(where.name));
    std::memcpy(&named, where.name.data(), sizeof(named));
    if (auto opened = taken(cudaMemPoolImportPointer(&memory_, pool_, &named), "cudaMemPoolImportPointer"); !opened) {
        memory_ = nullptr;
        return opened;
    }
    cudaPointerAttributes facts{};
    FACEFLOW_TRY(checked(cudaPointerGetAttributes(&facts, memory_), "cudaPointerGetAttributes"));
    if (facts.device == index_) return {};
    return fail(errc::corrupt,
                fmt::format("memory of CUDA device {} was sent to a process that works on {}; give both the "
                            "same --device and CUDA_VISIBLE_DEVICES",
                            facts.device, index_));
}

}  // namespace

result<std::unique_ptr<memory_import>> import_cuda_memory(int index, const memory_export& from) {
    if (from.where.bytes == 0 || from.where.offset != 0)
        return fail(errc::corrupt, "an export of CUDA memory names no bytes, or an offset that it cannot have");
    const current_device scope(index);
    FACEFLOW_TRY(checked(scope.status(), "cudaSetDevice"));
    auto made = std::make_unique<cuda_import>(index, from.where.bytes);
    FACEFLOW_TRY(made->open_pool(from.descriptor.get()));
    FACEFLOW_TRY(made->open_allocation(from.where));
    return made;
}

}  // namespace faceflow::internal
