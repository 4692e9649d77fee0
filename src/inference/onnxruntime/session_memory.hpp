// SPDX-License-Identifier: Apache-2.0
// Device memory for ONNX Runtime: what a session asks for comes out of the device's pool, so that its cap means
// something.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <unordered_map>

#include "device/device.hpp"

namespace faceflow::inference {

// The memory of a session, which runs on one stream, on one thread at a time. ONNX Runtime gives memory back while work
// that uses it is still on the stream; it is kept here and used again by later work of that same stream, so nobody
// waits. Blocks go back to the pool when that is full, after a wait for the stream, and at the end. Thread-safe.
class session_memory {
public:
    // `s` and its device outlive it.
    explicit session_memory(stream& s) : stream_(s) {}
    // Waits for the stream. What was handed out has been given back.
    ~session_memory();
    session_memory(const session_memory&) = delete;

    // At least `bytes` (> 0), aligned to 256. errc::out_of_memory, which is kept for take_refusal too.
    [[nodiscard]] result<std::byte*> allocate(std::size_t bytes);
    void give_back(std::byte* memory) noexcept;

    // The error of the last allocate that failed, once: ONNX Runtime makes a text of its own of it.
    [[nodiscard]] std::optional<error> take_refusal();
    // Taken from the pool, in use or kept.
    [[nodiscard]] std::size_t bytes() const;
    [[nodiscard]] device& owner() const noexcept { return stream_.owner(); }

private:
    using blocks = std::multimap<std::size_t, device_buffer>;  // by size

    // Return nothing when there is none of a fitting size.
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

// While it lives, ONNX Runtime's requests for device memory on this thread are the session's. Around every call that
// creates or runs a session on a device.
class memory_scope {
public:
    explicit memory_scope(session_memory* of) noexcept;
    ~memory_scope();
    memory_scope(const memory_scope&) = delete;

private:
    session_memory* const before_;
};

// ONNX Runtime's way to session_memory: an allocator of its environment per device. Its environment is one per process,
// and so are these: the one thing of the process's that faceflow holds on to. They go with the last who keeps them.
class environment_allocators {
public:
    // The process's. Errors of ONNX Runtime.
    [[nodiscard]] static result<std::shared_ptr<environment_allocators>> get();
    ~environment_allocators();
    environment_allocators(const environment_allocators&) = delete;

    // Sessions on CUDA device `index` that are told to use the environment's allocators find ours from now on.
    [[nodiscard]] result<void> serve(int index);

private:
    struct impl;
    explicit environment_allocators(std::unique_ptr<impl> i);
    std::unique_ptr<impl> impl_;
};

}  // namespace faceflow::inference
