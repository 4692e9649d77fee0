// SPDX-License-Identifier: Apache-2.0
// The semaphores that processes share beside their frames, each on its own cache line.
#pragma once

#include <cstddef>
#include <span>

#include "core/sealed_memory.hpp"
#include "core/semaphore.hpp"
#include "faceflow/result.hpp"

namespace faceflow::internal::ipc {

// Anonymous shared memory: nothing is left of it once its processes have ended, even if they are killed. Move-only;
// each word is as thread-safe as a semaphore.
class control_page {
public:
    // Creates `words` (1 to a million) semaphores at 0.
    [[nodiscard]] static result<control_page> create(std::size_t words);
    // Opens a page that another process created and sent; takes ownership of the descriptor. With access::read_only,
    // words can be waited for, but raising one faults. Errors of map_sealed_memory, errc::corrupt when there are fewer
    // words.
    [[nodiscard]] static result<control_page> open(unique_fd descriptor, std::size_t words, access wanted);

    [[nodiscard]] semaphore& operator[](std::size_t word) noexcept { return lines()[word].word; }
    [[nodiscard]] const semaphore& operator[](std::size_t word) const noexcept { return lines()[word].word; }
    [[nodiscard]] std::size_t words() const noexcept { return words_; }
    // To send to another process; still owned by the page.
    [[nodiscard]] int descriptor() const noexcept { return descriptor_.get(); }
    // The whole pages, for device::register_semaphores.
    [[nodiscard]] std::span<std::byte> pages() const noexcept { return {view_.base(), view_.length()}; }

private:
    struct alignas(64) line {
        semaphore word;
    };
    control_page(unique_fd descriptor, mapping view, std::size_t words)
        : descriptor_(std::move(descriptor)),
          view_(std::move(view)),
          words_(words) {}
    [[nodiscard]] line* lines() const noexcept { return reinterpret_cast<line*>(view_.data()); }

    unique_fd descriptor_;
    mapping view_;
    std::size_t words_;
};

}  // namespace faceflow::internal::ipc
