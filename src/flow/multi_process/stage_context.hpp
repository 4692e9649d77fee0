// SPDX-License-Identifier: Apache-2.0
// The context of a stage process: a device, the models that its stage needs, and the stages on them.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "core/semaphore.hpp"
#include "device/device.hpp"
#include "device/host_buffer.hpp"
#include "flow/multi_process/stage_protocol.hpp"
#include "flow/multi_process/stage_slices.hpp"
#include "flow/stages/models.hpp"
#include "flow/stages/stage_set.hpp"
#include "frame/frame_cache.hpp"
#include "telemetry/metrics.hpp"

namespace faceflow::internal::flow {

class stage_context {
public:
    [[nodiscard]] static result<std::unique_ptr<stage_context>> create(const stage_hello& hello);

    [[nodiscard]] const stage_hello& asked() const noexcept { return hello_; }
    [[nodiscard]] const options& chosen() const noexcept { return hello_.chosen; }
    [[nodiscard]] device& owner() const noexcept { return *device_; }
    [[nodiscard]] stream& work_stream() const noexcept { return *stream_; }
    [[nodiscard]] const model_set& models() const noexcept { return models_; }
    [[nodiscard]] const stage_set& stages() const noexcept { return *stages_; }
    [[nodiscard]] pass_shape shape() const { return {1, hello_.chosen.max_faces, mesh_batch, crops_}; }
    // Blocks until the stream's work is done and returns its first error.
    [[nodiscard]] result<void> wait(const tag& t);

    // Starts counting: earlier work belongs to setup, not to frames. With verify_ledger, errors of
    // device::make_transfer_counter.
    [[nodiscard]] result<void> start_counting();
    // The counts since the last call.
    [[nodiscard]] stage_counters take_counters(const frame_cache_counts& cache);
    // Signals progress to the watchdog in the semaphore given to beat_on; no effect before beat_on.
    void beat() const noexcept {
        if (beat_ != nullptr) raise(*beat_, beat_->value.load(std::memory_order_relaxed) + 1);
    }
    void beat_on(semaphore& word) noexcept { beat_ = &word; }
    // Counts a call that was refused because it is about a use that is over.
    void count_stale() noexcept { ++stale_; }
    // The slices since the last call if the owner draws them, else none. `all`: waits until the stream's work is done,
    // so that it is included. This wait belongs to no frame, and the ledger does not count it.
    [[nodiscard]] std::vector<stage_slice> take_slices(bool all);

private:
    explicit stage_context(stage_hello hello) : hello_(std::move(hello)) {}
    [[nodiscard]] result<void> open();

    stage_hello hello_;
    crop_shape crops_;
    // this and slices_ are declared before the stream, whose last work records in them
    metrics metrics_;
    std::unique_ptr<slice_log> slices_;  // null if the owner does not draw
    std::unique_ptr<device> device_;
    std::unique_ptr<stream> stream_;
    model_set models_;  // on a GPU they belong to the stream
    std::unique_ptr<stage_set> stages_;
    std::unique_ptr<event> done_;
    std::unique_ptr<transfer_counter> counter_;  // null without verify_ledger, and where nothing is transferred
    stage_counters told_;
    semaphore* beat_ = nullptr;
    std::uint64_t stale_ = 0;
};

// Device memory with a host mirror for bulk transfers; a single block where host memory is device memory.
class mirrored_memory {
public:
    mirrored_memory() = default;
    [[nodiscard]] static result<mirrored_memory> create(device& d, std::size_t bytes, bool pinned);

    [[nodiscard]] std::byte* on_device() const noexcept { return memory_.data(); }
    [[nodiscard]] std::byte* on_host() const noexcept { return shared_ ? memory_.data() : host_.data(); }
    // One transfer each, or none for a single block. After `down`, the bytes are valid once the stream has been waited
    // for.
    [[nodiscard]] result<void> up(stream& s, std::size_t offset, std::size_t bytes, const tag& t) const;
    [[nodiscard]] result<void> down(stream& s, std::size_t offset, std::size_t bytes, const tag& t) const;

private:
    [[nodiscard]] result<void> move(stream& s, direction d, std::size_t offset, std::size_t bytes, const tag& t) const;
    device_buffer memory_;
    host_buffer host_;
    bool shared_ = false;
};

}  // namespace faceflow::internal::flow
