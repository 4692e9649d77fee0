// SPDX-License-Identifier: Apache-2.0
// The control page of a share client: the words of its leases, what was announced in them, and a bell.
#pragma once

#include <atomic>
#include <cstdint>

#include "ipc/control_page.hpp"
#include "ipc/share_protocol.hpp"

namespace faceflow::ipc {

// Frames are announced here, and by the bell to a client that waits for it: it has them without a further system call. To one
// that does not wait for the bell the server sends a message as well, for it may poll its socket; the place's word lets one of the
// two count. Both ends write to the page; neither relies on what the other may have done to it.
//
// How the client waits is a word of its own: not at all, or asleep on the bell (to be woken) or looking at it (to be left alone:
// it sees for itself), and above which value of the bell. The server changes the bell before it reads the word, the client the word
// before it reads the bell, both by a read-modify-write of the word: whoever comes second sees what the first has written. A wait
// above a value is for the next serial alone: so that a frame behind that one has its message, whatever the client does meanwhile.
class share_page {
public:
    // Errors of control_page.
    [[nodiscard]] static result<share_page> create(std::uint32_t leases);
    [[nodiscard]] static result<share_page> open(unique_fd descriptor, std::uint32_t leases);

    [[nodiscard]] semaphore& operator[](std::size_t place) noexcept { return words_[place]; }
    [[nodiscard]] const semaphore& operator[](std::size_t place) const noexcept { return words_[place]; }
    // For the client, which has seen the bell at `rung` and nothing new: says that it is about to sleep on the bell, or to look at
    // it until it is raised. Then it looks at the bell once more.
    void fall_asleep(std::uint64_t rung) noexcept { wait_as(asleep, rung); }
    void look_out(std::uint64_t rung) noexcept { wait_as(looking, rung); }
    // It waits no longer, and frames that were announced to it meanwhile are seen from here on. Not for one who looked until the
    // bell was raised: the server may be about to read that it need not send a message.
    void wake_up() noexcept { waiting().exchange(awake, std::memory_order_acq_rel); }
    // After the frame with that serial, the last one and one more, is given: raises the bell. True when the client waited for it
    // and needs no message. A system call only when it slept. For the server.
    [[nodiscard]] bool ring(std::uint64_t serial) noexcept;
    // Raised to the serial of each announcement, and to semaphore_end with the last message.
    [[nodiscard]] semaphore& bell() noexcept { return words_[leases_]; }
    [[nodiscard]] std::uint32_t leases() const noexcept { return leases_; }
    [[nodiscard]] int descriptor() const noexcept { return words_.descriptor(); }

    // For the server, while the place's word is not `given`.
    void announce(std::uint32_t place, const share_frame& frame) noexcept;
    // Consistent when the word is given(serial) before, and is changed from that by the caller after; or claimed by the caller.
    [[nodiscard]] share_frame announced(std::uint32_t place) const noexcept;

private:
    share_page(control_page words, std::uint32_t leases) : words_(std::move(words)), leases_(leases) {}
    // The word: one of these, and the bell's value above.
    static constexpr std::uint64_t awake = 0, asleep = 1, looking = 2, states = 4;
    void wait_as(std::uint64_t how, std::uint64_t rung) noexcept {
        waiting().exchange(rung * states + how, std::memory_order_acq_rel);
    }
    [[nodiscard]] std::atomic<std::uint64_t>& waiting() noexcept { return words_[leases_ + std::size_t{1}].value; }
    [[nodiscard]] std::byte* announcement(std::uint32_t place) const noexcept;

    control_page words_;
    std::uint32_t leases_;
};

}  // namespace faceflow::ipc
