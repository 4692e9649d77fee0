// SPDX-License-Identifier: Apache-2.0
// One client of a share server: its leases, and what was announced to it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "frame/frame.hpp"
#include "ipc/channel.hpp"
#include "ipc/share_page.hpp"
#include "ipc/share_protocol.hpp"
#include "share/slab_registry.hpp"

namespace faceflow::internal::share {

// offered == announced + no_lease + not_reading; frames counted as `overtaken` were announced but never reached the
// client.
struct client_counts {
    std::uint64_t offered = 0;
    std::uint64_t announced = 0;
    std::uint64_t no_lease = 0;     // all leases were held
    std::uint64_t not_reading = 0;  // its socket was full
    std::uint64_t overtaken = 0;    // taken back before it was claimed, for a newer one (policy latest)
    [[nodiscard]] std::uint64_t dropped() const noexcept { return no_lease + not_reading + overtaken; }
};

// Never blocks on the client. Not thread-safe, except that one thread may receive from the channel while another
// offers. The destructor takes back all leases.
class client_session {
public:
    // Creates a page for `leases`. Errors of share_page::create.
    [[nodiscard]] static result<std::unique_ptr<client_session>> create(ipc::channel to, std::uint32_t number,
                                                                        std::uint32_t leases, ipc::share_policy policy);

    // Sends the first message. Errors of channel::send.
    [[nodiscard]] result<void> welcome(std::uint32_t sources);

    // Announces a frame whose upload is done, preceded by slabs that are new to the client; or counts why it could not.
    // `about` holds everything that does not depend on the client. An error means that the connection is unusable.
    [[nodiscard]] result<void> offer(const frame& f, const ipc::share_frame& about, const slab_registry& slabs);

    // Tells the client that the sources have ended; nothing is offered afterwards.
    void end() noexcept;

    [[nodiscard]] ipc::channel& to() noexcept { return to_; }
    [[nodiscard]] std::uint32_t number() const noexcept { return number_; }
    [[nodiscard]] std::uint32_t leases() const noexcept { return static_cast<std::uint32_t>(places_.size()); }
    [[nodiscard]] const client_counts& counts() const noexcept { return counts_; }
    // The number of frames that the client holds or could claim.
    [[nodiscard]] std::uint32_t leases_out();

private:
    struct place {
        std::uint64_t serial = 0;
        std::shared_ptr<const void> hold;  // null: free
    };

    client_session(ipc::channel to, ipc::share_page page, std::uint32_t number, std::uint32_t leases,
                   ipc::share_policy policy)
        : to_(std::move(to)),
          page_(std::move(page)),
          number_(number),
          policy_(policy),
          places_(leases) {}

    void collect_returned();
    [[nodiscard]] std::optional<std::uint32_t> free_place();
    [[nodiscard]] std::optional<std::uint32_t> take_back_oldest();
    [[nodiscard]] result<void> announce_slabs(const slab_registry& slabs);

    ipc::channel to_;
    ipc::share_page page_;
    const std::uint32_t number_;
    const ipc::share_policy policy_;
    std::vector<place> places_;
    std::uint64_t serial_ = 0;
    std::set<std::uint32_t> told_;  // slabs that the client knows
    std::uint64_t told_version_ = 0;
    client_counts counts_;
};

}  // namespace faceflow::internal::share
