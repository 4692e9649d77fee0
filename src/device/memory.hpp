// SPDX-License-Identifier: Apache-2.0
// Device memory: a device's single capped pool, and buffers allocated from it.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <utility>
#include <vector>

#include "faceflow/result.hpp"

namespace faceflow::internal {

// A source of memory. Resources wrap one another by reference (a cap around a device's own allocator); each is
// thread-safe. Addresses are device addresses: the host may read them only if device::shares_host_memory().
class memory_resource {
public:
    virtual ~memory_resource() = default;
    // At least `bytes` (> 0), aligned to 256. errc::out_of_memory when there is no more; never waits for the device.
    [[nodiscard]] virtual result<std::byte*> allocate(std::size_t bytes) = 0;
    // The caller makes sure that no work on any stream still uses the memory.
    virtual void deallocate(std::byte* memory, std::size_t bytes) noexcept = 0;
};

// A holder of pool memory that it can do without, such as a cache.
class memory_holder {
public:
    virtual ~memory_holder() = default;
    // Frees at least `bytes` if it holds that much; memory that the device still uses is freed later. Called on any
    // thread.
    virtual void evict(std::size_t bytes) noexcept = 0;
};

// Refuses allocations beyond a cap and records the peak. Counts sizes rounded up to the alignment.
class capped_resource final : public memory_resource {
public:
    capped_resource(memory_resource& upstream, std::size_t cap) : upstream_(upstream), cap_(cap) {}

    [[nodiscard]] result<std::byte*> allocate(std::size_t bytes) override;
    void deallocate(std::byte* memory, std::size_t bytes) noexcept override;

    // Asks all holders to free memory, after an allocation was refused. Must not be called from evict.
    void ask_to_evict(std::size_t bytes) noexcept;
    // `h` is asked from add until remove. remove blocks while ask_to_evict is running.
    void add(memory_holder& h);
    void remove(memory_holder& h) noexcept;

    static constexpr std::size_t alignment = 256;
    // The counted size of an allocation of `bytes`.
    [[nodiscard]] static constexpr std::size_t counted(std::size_t bytes) noexcept {
        return (bytes + alignment - 1) / alignment * alignment;
    }

    [[nodiscard]] std::size_t limit_bytes() const noexcept { return cap_; }
    [[nodiscard]] std::size_t used_bytes() const noexcept { return used_.load(std::memory_order_relaxed); }
    [[nodiscard]] std::size_t peak_bytes() const noexcept { return peak_.load(std::memory_order_relaxed); }

    // Slots in use in all slabs of this pool; the slabs report changes.
    [[nodiscard]] std::size_t slots_in_use() const noexcept { return slots_.load(std::memory_order_relaxed); }
    void slot_taken() noexcept { slots_.fetch_add(1, std::memory_order_relaxed); }
    void slot_returned() noexcept { slots_.fetch_sub(1, std::memory_order_relaxed); }

private:
    memory_resource& upstream_;
    const std::size_t cap_;
    std::atomic<std::size_t> used_{0}, peak_{0}, slots_{0};
    std::mutex holders_mutex_;
    std::vector<memory_holder*> holders_;
};

// Owns one allocation; move-only.
class device_buffer {
public:
    device_buffer() = default;
    [[nodiscard]] static result<device_buffer> allocate(memory_resource& from, std::size_t bytes);
    device_buffer(device_buffer&& o) noexcept
        : from_(std::exchange(o.from_, nullptr)),
          data_(std::exchange(o.data_, nullptr)),
          bytes_(std::exchange(o.bytes_, 0)) {}
    device_buffer& operator=(device_buffer&& o) noexcept {
        std::swap(from_, o.from_);
        std::swap(data_, o.data_);
        std::swap(bytes_, o.bytes_);
        return *this;
    }
    ~device_buffer() {
        if (from_ != nullptr) from_->deallocate(data_, bytes_);
    }

    [[nodiscard]] std::byte* data() const noexcept { return data_; }
    [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }
    template <class T>
    [[nodiscard]] T* as() const noexcept {
        return reinterpret_cast<T*>(data_);
    }

private:
    device_buffer(memory_resource& from, std::byte* data, std::size_t bytes)
        : from_(&from),
          data_(data),
          bytes_(bytes) {}
    memory_resource* from_ = nullptr;
    std::byte* data_ = nullptr;
    std::size_t bytes_ = 0;
};

}  // namespace faceflow::internal
