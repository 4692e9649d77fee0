// SPDX-License-Identifier: Apache-2.0
// The control page of a share client: one word per lease, the frames announced in them, and a bell.
#pragma once

#include <atomic>
#include <cstdint>

#include "ipc/control_page.hpp"
#include "ipc/share_protocol.hpp"

namespace faceflow::internal::ipc {

// The server announces frames here and raises the bell for a client that waits on it: the client gets them without a
// further system call. If the client does not wait on the bell, the server sends a message as well, because the client
// may poll its socket; the place's word makes sure that only one of the two counts. Both ends write to the page;
// neither trusts what the other has written.
//
// A separate word says how the client waits: not at all, asleep on the bell (must be woken) or polling it (needs no
// wake), and above which bell value. The server changes the bell before it reads the word; the client changes the word
// before it reads the bell; both use a read-modify-write on the word, so whichever comes second sees what the first has
// written. A wait above a value covers only the next serial: a later frame always gets its message, whatever the client
// does meanwhile.
class share_page {
public:
    // Errors of control_page.
    [[nodiscard]] static result<share_page> create(std::uint32_t leases);
    [[nodiscard]] static result<share_page> open(unique_fd descriptor, std::uint32_t leases);

    [[nodiscard]] semaphore& operator[](std::size_t place) noexcept { return words_[place]; }
    [[nodiscard]] const semaphore& operator[](std::size_t place) const noexcept { return words_[place]; }
    // For the client, which has seen the bell at `rung` and no new frame: announces that it will sleep on the bell, or
    // poll it until it is raised. The client must read the bell once more afterwards.
    void fall_asleep(std::uint64_t rung) noexcept { wait_as(asleep, rung); }
    void look_out(std::uint64_t rung) noexcept { wait_as(looking, rung); }
    // Ends the wait; frames announced meanwhile are visible from here on. Do not call it after polling until the bell
    // was raised: the server may be about to read that it need not send a message.
    void wake_up() noexcept { waiting().exchange(awake, std::memory_order_acq_rel); }
    // For the server, after it has announced the frame with that serial, the previous serial plus one: raises the bell.
    // True when the client waited for it and needs no message. Makes a system call only when the client slept.
    [[nodiscard]] bool ring(std::uint64_t serial) noexcept;
    // Raised to the serial of each announcement, and to semaphore_end with the last message.
    [[nodiscard]] semaphore& bell() noexcept { return words_[leases_]; }
    [[nodiscard]] std::uint32_t leases() const noexcept { return leases_; }
    [[nodiscard]] int descriptor() const noexcept { return words_.descriptor(); }

    // For the server, while the place's word is not `given`.
    void announce(std::uint32_t place, const share_frame& frame) noexcept;
    // The result is consistent if the word was given(serial) before and the caller then changes it from that value, or
    // if the caller has claimed it.
    [[nodiscard]] share_frame announced(std::uint32_t place) const noexcept;

private:
    share_page(control_page words, std::uint32_t leases) : words_(std::move(words)), leases_(leases) {}
    // The word holds one of these, and the bell's value in the bits above.
    static constexpr std::uint64_t awake = 0, asleep = 1, looking = 2, states = 4;
    void wait_as(std::uint64_t how, std::uint64_t rung) noexcept {
        waiting().exchange(rung * states + how, std::memory_order_acq_rel);
    }
    [[nodiscard]] std::atomic<std::uint64_t>& waiting() noexcept { return words_[leases_ + std::size_t{1}].value; }
    [[nodiscard]] std::byte* announcement(std::uint32_t place) const noexcept;

    control_page words_;
    std::uint32_t leases_;
};

}  // namespace faceflow::internal::ipc
