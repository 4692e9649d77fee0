// The control page of a share client: the words of its leases, what was announced in them, and a bell.
#pragma once

#include <atomic>
#include <cstdint>

#include "ipc/control_page.hpp"
#include "ipc/share_protocol.hpp"

namespace faceflow::ipc {

// Frames are announced here, and by the bell to a client that sleeps on it: it has them without a further system call. To one
// that does not sleep on the bell the server sends a message as well, for it may poll its socket; the place's word lets one of the
// two count. Both ends write to the page; neither relies on what the other may have done to it.
class share_page {
public:
    // Errors of control_page.
    [[nodiscard]] static result<share_page> create(std::uint32_t leases);
    [[nodiscard]] static result<share_page> open(unique_fd descriptor, std::uint32_t leases);

    [[nodiscard]] timeline& operator[](std::size_t place) noexcept { return words_[place]; }
    [[nodiscard]] const timeline& operator[](std::size_t place) const noexcept { return words_[place]; }
    // Says that the client is about to sleep on the bell; before it looks at the bell for the last time. For the client.
    // Both ends exchange the one word: whoever comes second sees what the other wrote before.
    void fall_asleep() noexcept { asleep().exchange(1, std::memory_order_acq_rel); }
    // Frames that were announced to the sleeper are seen from here on.
    void wake_up() noexcept { asleep().exchange(0, std::memory_order_acq_rel); }
    // After a frame is given: raises the bell. True when the client slept and needs no message; but the next time it does, unless
    // it has fallen asleep again. For the server.
    [[nodiscard]] bool ring(std::uint64_t serial) noexcept;
    // Raised to the serial of each announcement, and to timeline_end with the last message.
    [[nodiscard]] timeline& bell() noexcept { return words_[leases_]; }
    [[nodiscard]] std::uint32_t leases() const noexcept { return leases_; }
    [[nodiscard]] int descriptor() const noexcept { return words_.descriptor(); }

    // For the server, while the place's word is not `given`.
    void announce(std::uint32_t place, const share_frame& frame) noexcept;
    // Consistent when the word is given(serial) before, and is changed from that by the caller after; or claimed by the caller.
    [[nodiscard]] share_frame announced(std::uint32_t place) const noexcept;

private:
    share_page(control_page words, std::uint32_t leases) : words_(std::move(words)), leases_(leases) {}
    [[nodiscard]] std::atomic<std::uint64_t>& asleep() noexcept { return words_[leases_ + std::size_t{1}].value; }
    [[nodiscard]] std::byte* announcement(std::uint32_t place) const noexcept;

    control_page words_;
    std::uint32_t leases_;
};

}  // namespace faceflow::ipc
