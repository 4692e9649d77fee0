// SPDX-License-Identifier: Apache-2.0
// Device memory for ONNX Runtime: sessions allocate from the device's pool, so that its cap covers them.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <unordered_map>

#include "device/device.hpp"

namespace faceflow::internal::inference {

// The memory of a session, which runs on one stream, from one thread at a time. ONNX Runtime returns memory while work
// that uses it is still on the stream; it is kept here and reused by later work on the same stream, so nothing waits.
// Blocks return to the pool when that is full, after a wait for the stream, and at the end. Thread-safe.
class session_memory {
public:
    // `s` and its device outlive it.
    explicit session_memory(stream& s) : stream_(s) {}
    // Waits for the stream. All memory must have been returned.
    ~session_memory();
    session_memory(const session_memory&) = delete;

    // At least `bytes` (> 0), aligned to 256. errc::out_of_memory, which is also kept for take_refusal.
    [[nodiscard]] result<std::byte*> allocate(std::size_t bytes);
    void give_back(std::byte* memory) noexcept;

    // The error of the last failed allocate, returned once: ONNX Runtime replaces its message.
    [[nodiscard]] std::optional<error> take_refusal();
    // Bytes taken from the pool, in use or kept.
    [[nodiscard]] std::size_t bytes() const;
    [[nodiscard]] device& owner() const noexcept { return stream_.owner(); }

private:
    using blocks = std::multimap<std::size_t, device_buffer>;  // by size

    // Return null if there is no block of a fitting size.
    [[nodiscard]] std::byte* take_kept(std::size_t bytes);
    [[nodiscard]] result<std::byte*> take_new(std::size_t bytes);
    void release_kept();
    [[nodiscard]] result<std::byte*> take(std::size_t bytes);

    stream& stream_;
    mutable std::mutex mutex_;
    blocks kept_;
    std::unordered_map<std::byte*, device_buffer> used_;
    std::size_t bytes_ = 0;
    std::optional<error> refusal_;
};

// During its lifetime, ONNX Runtime's requests for device memory on this thread go to the session. Needed around every
// call that creates or runs a session on a device.
class memory_scope {
public:
    explicit memory_scope(session_memory* of) noexcept;
    ~memory_scope();
    memory_scope(const memory_scope&) = delete;

private:
    session_memory* const before_;
};

// Connects ONNX Runtime to session_memory: one allocator of its environment per device. The environment is one per
// process, and so are these: faceflow's only process-wide state. They are destroyed with their last holder.
class environment_allocators {
public:
    // The process's instance. Errors of ONNX Runtime.
    [[nodiscard]] static result<std::shared_ptr<environment_allocators>> get();
    ~environment_allocators();
    environment_allocators(const environment_allocators&) = delete;

    // From now on, sessions on CUDA device `index` that use the environment's allocators get ours.
    [[nodiscard]] result<void> serve(int index);

private:
    struct impl;
    explicit environment_allocators(std::unique_ptr<impl> i);
    std::unique_ptr<impl> impl_;
};

}  // namespace faceflow::internal::inference
