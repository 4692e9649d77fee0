#include "client/connection.hpp"

#include <fmt/format.h>
#include <poll.h>

#include "frame/layout.hpp"
#include "ipc/listener.hpp"

namespace faceflow::client {
namespace {

using ipc::place_word;
using ipc::share_message;

}  // namespace

claim::claim(std::shared_ptr<connection> of, std::shared_ptr<const mapped_slab> in, const ipc::share_frame& facts)
    : of_(std::move(of)),
      in_(std::move(in)),
      facts_(facts) {
    const auto described = picture_of(facts.picture);
    if (described) {
        picture_ = packed_at(
            *described, in_->view.data() + std::size_t{facts.slot} * static_cast<std::size_t>(in_->facts.slot_bytes));
    }
    of_->held_.fetch_add(1, std::memory_order_relaxed);
}

claim& claim::operator=(claim&& o) noexcept {
    if (this == &o) return *this;
    reset();
    of_ = std::move(o.of_);
    in_ = std::move(o.in_);
    facts_ = o.facts_;
    picture_ = o.picture_;
    return *this;
}

void claim::reset() noexcept {
    if (of_ == nullptr) return;
    of_->give_back(facts_);
    of_ = nullptr;
    in_ = nullptr;
}

std::uint64_t claim::offset() const noexcept {
    return in_->facts.offset + std::uint64_t{facts_.slot} * in_->facts.slot_bytes;
}

result<std::shared_ptr<connection>> connection::open(const std::filesystem::path& path, const ipc::share_hello& wanted,
                                                     ipc::time_point deadline) {
    auto server = ipc::connect_to(path, deadline);
    if (!server) return tl::unexpected(std::move(server.error()));
    // One that refuses at once, without a look at the greeting, has still said why.
    const auto greeted = server->send(static_cast<std::uint16_t>(share_message::hello), wanted, deadline);
    auto m = server->receive(deadline);
    if (!m) return tl::unexpected(greeted ? m.error() : greeted.error());
    if (m->kind == static_cast<std::uint16_t>(share_message::refusal))
        return tl::unexpected(ipc::read_share_refusal(*m));
    const auto welcome = ipc::read_share_welcome(*m, wanted.leases);
    if (!welcome) return tl::unexpected(welcome.error());
    auto page = ipc::control_page::open(std::move(m->descriptors.front()), welcome->leases, access::read_write);
    if (!page) return tl::unexpected(std::move(page.error()));
    return std::shared_ptr<connection>(new connection(std::move(*server), std::move(*page), *welcome, wanted.policy));
}

result<std::optional<claim>> connection::next(ipc::time_point deadline) {
    std::optional<claim> newest;
    while (!over_) {
        auto m = server_.receive(newest ? ipc::time_point{} : deadline);
        if (!m && m.error().code == errc::timeout) break;
        if (!m) {
            over_ = m.error();
            if (server_.closed())
                over_ = error{errc::lost,
                              "the server that shared the frames is gone without a word: it was killed, or has "
                              "crashed; connect again when it is back"};
            break;
        }
        auto taken = take(std::move(*m));
        if (!taken) {
            over_ = std::move(taken.error());
        } else if (*taken) {
            if (newest) ++skipped_;
            newest = std::move(**taken);
            if (policy_ == ipc::share_policy::fifo || !more_is_here()) break;
        }
    }
    if (newest || !over_) return newest;
    return tl::unexpected(*over_);
}

result<std::optional<claim>> connection::take(ipc::message m) {
    switch (static_cast<share_message>(m.kind)) {
        case share_message::frame: return take_frame(m);
        case share_message::slab:
        case share_message::slab_gone:
            if (auto r = take_slab(std::move(m)); !r) return tl::unexpected(std::move(r.error()));
            return std::nullopt;
        case share_message::ended: return fail(errc::interrupted, "the server's sources have ended");
        default:
            return fail(errc::corrupt,
                        fmt::format("the server sent a message of kind {} that there is not; the connection "
                                    "is given up",
                                    m.kind));
    }
}

result<std::optional<claim>> connection::take_frame(const ipc::message& m) {
    const auto facts = ipc::read_share_frame(m, welcome_.leases);
    if (!facts) return tl::unexpected(facts.error());
    // What the server took back may lie in a slab that went, too: so this comes first.
    std::uint64_t expected = place_word::given(facts->serial);
    if (!page_[facts->place].value.compare_exchange_strong(expected, place_word::claimed(facts->serial),
                                                           std::memory_order_acq_rel))
        return std::nullopt;
    const auto slab = slabs_.find(facts->slab);
    if (slab == slabs_.end()) {
        return fail(errc::corrupt,
                    fmt::format("the server announced a frame in slab {} that it never passed", facts->slab));
    }
    if (auto r = ipc::fits(*facts, slab->second->facts); !r) return tl::unexpected(std::move(r.error()));
    return claim(shared_from_this(), slab->second, *facts);
}

result<void> connection::take_slab(ipc::message m) {
    const auto facts = ipc::read_share_slab(m);
    if (!facts) return tl::unexpected(facts.error());
    if (m.kind == static_cast<std::uint16_t>(share_message::slab_gone)) {
        slabs_.erase(facts->number);
        return {};
    }
    if (slabs_.contains(facts->number)) return fail(errc::corrupt, "the server passed a slab twice");
    auto view = map_sealed_memory(m.descriptors.front().get(), facts->offset, facts->slots * facts->slot_bytes,
                                  access::read_only);
    if (!view) return tl::unexpected(std::move(view.error()));
    slabs_.emplace(facts->number, std::make_shared<const mapped_slab>(
                                      mapped_slab{*facts, std::move(m.descriptors.front()), std::move(*view)}));
    return {};
}

bool connection::more_is_here() const {
    pollfd asked{server_.descriptor(), POLLIN, 0};
    return ::poll(&asked, 1, 0) == 1;
}

void connection::give_back(const ipc::share_frame& which) noexcept {
    // All reads of the pixels come before this.
    page_[which.place].value.store(place_word::returned(which.serial), std::memory_order_release);
    held_.fetch_sub(1, std::memory_order_relaxed);
}

}  // namespace faceflow::client
