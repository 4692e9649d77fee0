// SPDX-License-Identifier: Apache-2.0
// The client's end of a share socket: maps slabs, claims announced frames, returns released ones.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "client/anticipation.hpp"
#include "client/fork_guard.hpp"
#include "core/sealed_memory.hpp"
#include "faceflow/types.hpp"
#include "ipc/channel.hpp"
#include "ipc/share_page.hpp"
#include "ipc/share_protocol.hpp"

namespace faceflow::internal::client {

// A slab, mapped read-only.
struct mapped_slab {
    ipc::share_slab facts;
    unique_fd memory;
    mapping view;
};

class connection;

// A claimed lease; move-only. Any thread may destroy it.
class claim {
public:
    claim(std::shared_ptr<connection> of, std::shared_ptr<const mapped_slab> in, const ipc::share_frame& facts);
    claim(claim&&) noexcept = default;
    claim& operator=(claim&& o) noexcept;
    ~claim() { reset(); }

    [[nodiscard]] const ipc::share_frame& facts() const noexcept { return facts_; }
    // Its planes point into the mapping.
    [[nodiscard]] const image& picture() const noexcept { return picture_; }
    [[nodiscard]] const mapped_slab& slab() const noexcept { return *in_; }
    // The offset of the frame within its slab's memory.
    [[nodiscard]] std::uint64_t offset() const noexcept;

private:
    void reset() noexcept;

    std::shared_ptr<connection> of_;
    std::shared_ptr<const mapped_slab> in_;
    ipc::share_frame facts_;
    image picture_;
};

// Call next() from one thread at a time. Claims keep their connection, and so their leases, alive. In a forked child
// they return nothing, and a frame stays readable there for as long as its parent holds it.
class connection : public std::enable_shared_from_this<connection> {
public:
    // errc::not_found when no server listens, errc::unsupported for another version, errc::unavailable when the server
    // refuses; the channel's errors. `anticipate`: next() polls for frames when they are due (anticipation.hpp).
    [[nodiscard]] static result<std::shared_ptr<connection>> open(const std::filesystem::path& path,
                                                                  const ipc::share_hello& wanted,
                                                                  ipc::time_point deadline, bool anticipate = false);

    // nullopt: no frame by the deadline. errc::interrupted: the server has ended; errc::lost: it went away without
    // ending; errc::corrupt, errc::out_of_memory, errc::io. errc::invalid_argument in a forked child: the connection
    // belongs to its parent.
    [[nodiscard]] result<std::optional<claim>> next(ipc::time_point deadline);

    [[nodiscard]] int descriptor() const noexcept { return server_.descriptor(); }
    [[nodiscard]] const ipc::share_welcome& welcome() const noexcept { return welcome_; }
    [[nodiscard]] std::uint32_t held() const noexcept { return held_.load(std::memory_order_relaxed); }
    // The number of frames claimed and dropped for a newer one (policy latest).
    [[nodiscard]] std::uint64_t skipped() const noexcept { return skipped_; }
    // How many announcements arrived while next() polled for them, and the total time spent polling.
    [[nodiscard]] std::uint64_t met() const noexcept { return met_; }
    [[nodiscard]] std::uint64_t looking_ns() const noexcept { return looking_ns_; }

private:
    friend class claim;
    connection(ipc::channel server, ipc::share_page page, const ipc::share_welcome& welcome, ipc::share_policy policy,
               bool anticipate)
        : server_(std::move(server)),
          page_(std::move(page)),
          welcome_(welcome),
          policy_(policy) {
        if (!anticipate) return;
        ahead_.emplace();
        heard_.reserve(max_heard);
    }

    [[nodiscard]] result<std::optional<claim>> take(ipc::message m);
    [[nodiscard]] result<std::optional<claim>> take_frame(const ipc::message& m);
    [[nodiscard]] result<void> take_slab(ipc::message m);
    // The announced frame whose turn it is, found via the page without a system call.
    struct announced {
        std::optional<std::uint32_t> place;
        std::uint64_t serial = 0;
        bool slab_known = false;
    };
    [[nodiscard]] announced look_for_announced() const;
    [[nodiscard]] result<std::optional<claim>> take_announced();
    // Reads all messages that have arrived; frames only if `frames`, and with policy fifo at most one.
    [[nodiscard]] std::optional<claim> read_messages(bool frames);
    // Makes a claim of the frame whose place's word is already claimed.
    [[nodiscard]] result<std::optional<claim>> claimed(const ipc::share_frame& facts);
    // Waits until the bell is raised above `rung`, or until the deadline.
    void wait(std::uint64_t rung, ipc::time_point deadline);
    // The same if a frame is due: sleeps until shortly before, or, when called again, polls for it. False when none is
    // due or it has not come.
    [[nodiscard]] bool wait_for_due_frame(std::uint64_t rung, ipc::time_point deadline);
    void skip_older_than(std::uint64_t serial);
    void give_back(const ipc::share_frame& which) noexcept;

    const fork_guard opened_here_;
    ipc::channel server_;
    ipc::share_page page_;
    const ipc::share_welcome welcome_;
    const ipc::share_policy policy_;
    std::map<std::uint32_t, std::shared_ptr<const mapped_slab>> slabs_;
    std::optional<anticipation> ahead_;
    // Frames not yet reported to `ahead_`: reporting must not delay a frame that the caller waits for.
    struct heard {
        std::uint32_t source;
        std::uint64_t sequence;
        std::int64_t announced_ns;
    };
    static constexpr std::size_t max_heard = 64;
    std::vector<heard> heard_;
    std::uint64_t met_ = 0, looking_ns_ = 0;
    std::atomic<std::uint32_t> held_{0};
    std::uint64_t skipped_ = 0;
    std::size_t slabs_seen_ = 0;  // ever
    std::uint32_t unread_ = 0;    // frames received via the page since messages were read
    std::uint32_t in_vain_ = 0;   // consecutive rings of the bell without a frame
    std::optional<error> over_;   // set once nothing more will come: the reason
};

}  // namespace faceflow::internal::client
