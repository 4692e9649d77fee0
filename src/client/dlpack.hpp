// SPDX-License-Identifier: Apache-2.0
// The structs of DLPack 0.8 for passing a tensor, laid out as in its specification.
#pragma once

#include <cstdint>

// In the global namespace and under their usual names: consumers bring their own declaration of the same layout.
struct DLDevice {
    std::int32_t device_type = 1;  // kDLCPU
    std::int32_t device_id = 0;
};

struct DLDataType {
    std::uint8_t code = 1;  // kDLUInt
    std::uint8_t bits = 8;
    std::uint16_t lanes = 1;
};

struct DLTensor {
    void* data = nullptr;
    DLDevice device;
    std::int32_t ndim = 0;
    DLDataType dtype;
    std::int64_t* shape = nullptr;
    std::int64_t* strides = nullptr;  // in elements
    std::uint64_t byte_offset = 0;
};

struct DLManagedTensor {
    DLTensor dl_tensor;
    void* manager_ctx = nullptr;
    void (*deleter)(DLManagedTensor* self) = nullptr;
};

static_assert(sizeof(DLTensor) == 48 && sizeof(DLManagedTensor) == 64);
