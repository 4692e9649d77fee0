// SPDX-License-Identifier: Apache-2.0
// The client's end of a share socket: maps what the server passes, claims what it announces, returns what is released.
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

namespace faceflow::client {

// A slab that is mapped here, for reading.
struct mapped_slab {
    ipc::share_slab facts;
    unique_fd memory;
    mapping view;
};

class connection;

// A claimed lease; move-only. Its end is for any thread.
class claim {
public:
    claim(std::shared_ptr<connection> of, std::shared_ptr<const mapped_slab> in, const ipc::share_frame& facts);
    claim(claim&&) noexcept = default;
    claim& operator=(claim&& o) noexcept;
    ~claim() { reset(); }

    [[nodiscard]] const ipc::share_frame& facts() const noexcept { return facts_; }
    // Planes in the mapping.
    [[nodiscard]] const image& picture() const noexcept { return picture_; }
    [[nodiscard]] const mapped_slab& slab() const noexcept { return *in_; }
    // Of the frame in the memory of its slab.
    [[nodiscard]] std::uint64_t offset() const noexcept;

private:
    void reset() noexcept;

    std::shared_ptr<connection> of_;
    std::shared_ptr<const mapped_slab> in_;
    ipc::share_frame facts_;
    image picture_;
};

// One thread at a time in next(). Claims keep their connection, and so their leases, alive. In a child that is forked they give
// nothing back, and a frame stays readable there for as long as its parent holds it.
class connection : public std::enable_shared_from_this<connection> {
public:
    // errc::not_found when nobody listens, errc::unsupported for another version, errc::unavailable when the server refuses;
    // the channel's errors. `anticipate`: next() looks for frames when they are due (anticipation.hpp).
    [[nodiscard]] static result<std::shared_ptr<connection>> open(const std::filesystem::path& path,
                                                                  const ipc::share_hello& wanted,
                                                                  ipc::time_point deadline, bool anticipate = false);

    // nullopt: no frame by the deadline. errc::interrupted: the server has ended; errc::lost: it is gone without a word;
    // errc::corrupt, errc::out_of_memory, errc::io. errc::invalid_argument in a forked child: the connection is its parent's.
    [[nodiscard]] result<std::optional<claim>> next(ipc::time_point deadline);

    [[nodiscard]] int descriptor() const noexcept { return server_.descriptor(); }
    [[nodiscard]] const ipc::share_welcome& welcome() const noexcept { return welcome_; }
    [[nodiscard]] std::uint32_t held() const noexcept { return held_.load(std::memory_order_relaxed); }
    // Claimed, and let go for a newer one (policy latest).
    [[nodiscard]] std::uint64_t skipped() const noexcept { return skipped_; }
    // Announcements that were made while next() looked for them, and how long it has looked in all.
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
    // By the page, without a system call.
    // The frame whose turn it is, of those that are announced.
    struct announced {
        std::optional<std::uint32_t> place;
        std::uint64_t serial = 0;
        bool slab_known = false;
    };
    [[nodiscard]] announced look_for_announced() const;
    [[nodiscard]] result<std::optional<claim>> take_announced();
    // All that has come; frames only when `frames`, and one of them at most where they come in order.
    [[nodiscard]] std::optional<claim> read_messages(bool frames);
    // For the frame whose place's word is claimed.
    [[nodiscard]] result<std::optional<claim>> claimed(const ipc::share_frame& facts);
    // Until the bell is raised above `rung`, or until then.
    void wait(std::uint64_t rung, ipc::time_point deadline);
    // The same as far as a frame is due: sleeps until shortly before, or, called again, looks for it. False when nothing is due, or
    // it has not come.
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
    // Frames that it has not been told of: nothing keeps a frame from whoever waits for it.
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
    std::uint32_t unread_ = 0;    // frames known by the page since messages were read
    std::uint32_t in_vain_ = 0;   // times in a row that the bell rang, and there was nothing
    std::optional<error> over_;   // why nothing comes any more
};

}  // namespace faceflow::client
