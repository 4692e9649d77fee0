// SPDX-License-Identifier: Apache-2.0
#include "share/share_server.hpp"

#include "core/try.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <span>

namespace faceflow::internal::share {
namespace {

using clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

constexpr std::size_t max_pending_clients = 64;
constexpr auto patience = 5s;                 // for a client whose greeting is incomplete
constexpr auto door_shut = 50ms;              // after a connection for which there was no descriptor
constexpr std::uint32_t max_greeting = 4096;  // bytes; later versions may send more

frame_store_options store_options(const server_options& o) {
    frame_store_options s;
    s.cache = false;
    s.always_in_slots = true;
    s.pinned = o.pinned;
    s.uploads_in_flight = 2 * std::size_t{o.sources};
    return s;
}

void add(client_counts& to, const client_counts& what) {
    to.offered += what.offered;
    to.announced += what.announced;
    to.no_lease += what.no_lease;
    to.not_reading += what.not_reading;
    to.overtaken += what.overtaken;
}

void refuse(ipc::channel& whom, const error& why) {
    const ipc::share_refusal head{ipc::share_version, why.code};
    std::vector<std::byte> body(sizeof head + why.message.size());
    std::memcpy(body.data(), &head, sizeof head);
    std::memcpy(body.data() + sizeof head, why.message.data(), why.message.size());
    // Drain unread data: otherwise closing the socket would discard the answer.
    std::array<std::byte, max_greeting> rest;
    [[maybe_unused]] const ssize_t read = ::recv(whom.descriptor(), rest.data(), rest.size(), MSG_DONTWAIT);
    [[maybe_unused]] const auto told =
        whom.send(static_cast<std::uint16_t>(ipc::share_message::refusal), body, {}, {}, ipc::time_point{});
}

ipc::share_frame facts_of(const host_frame& from, const frame& f) {
    ipc::share_frame about;
    about.sequence = f.id.sequence;
    about.source = f.id.source;
    about.picture = faceflow::internal::facts_of(f.picture);
    about.pts_ns = from.pts_ns;
    about.captured_ns = std::chrono::nanoseconds(from.captured.time_since_epoch()).count();
    return about;
}

}  // namespace

share_server::share_server(device& d, const server_options& chosen, ipc::listener door, unique_fd wake)
    : device_(d),
      options_(chosen),
      door_(std::move(door)),
      wake_(std::move(wake)),
      frames_(d, store_options(chosen)),
      slabs_(d) {}

result<std::unique_ptr<share_server>> share_server::open(device& d, const server_options& chosen) {
    if (!d.imports_read_only()) {
        return fail(errc::unsupported,
                    "frames in CUDA memory are not shared with other programs: CUDA cannot keep them "
                    "from writing it; use --device cpu");
    }
    if (chosen.sources == 0 || chosen.slots < std::size_t{chosen.sources} + 1) {
        return fail(
            errc::invalid_argument,
            fmt::format("{} slots are too few for {} sources: one is needed for each, and one for each frame that a "
                        "client holds",
                        chosen.slots, chosen.sources));
    }
    FACEFLOW_ASSIGN(auto door, ipc::listener::open(chosen.socket));
    unique_fd wake(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!wake) return fail(errc::io, fmt::format("cannot make an eventfd: {}", std::strerror(errno)));
    std::unique_ptr<share_server> s(new share_server(d, chosen, std::move(door), std::move(wake)));
    FACEFLOW_TRY(s->open_uploads());
    FACEFLOW_ASSIGN(s->thread_, start_thread(
                                    "clients of the share", [server = s.get()] { server->serve(); },
                                    [server = s.get()](error e) { server->serving_error_.put(std::move(e)); }));
    return s;
}

result<void> share_server::open_uploads() {
    for (std::uint32_t i = 0; i < options_.sources; ++i) {
        FACEFLOW_ASSIGN(auto up, device_.make_stream(fmt::format("share {}", i)));
        FACEFLOW_ASSIGN(auto ready, device_.make_event());
        uploads_.push_back({std::move(up), std::move(ready)});
    }
    return {};
}

share_server::~share_server() {
    stopping_ = true;
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t woken = ::write(wake_.get(), &one, sizeof one);
    if (thread_.joinable()) thread_.join();
    for (const auto& c : clients_)
        c->end();
    clients_.clear();
    frames_.close();
}

bool share_server::anybody() const {
    const std::lock_guard lock(mutex_);
    return !clients_.empty();
}

bool share_server::wait_for_client(clock::time_point deadline) {
    std::unique_lock lock(mutex_);
    return joined_.wait_until(lock, deadline, [&] { return !clients_.empty(); });
}

result<void> share_server::publish(const host_frame& f) {
    if (f.id.source >= uploads_.size())
        return fail(errc::invalid_argument, fmt::format("a frame of source {} of {}", f.id.source, uploads_.size()));
    if (!anybody()) {
        const std::lock_guard lock(mutex_);
        ++counts_.frames;
        ++counts_.unseen;
        return {};
    }
    auto done = upload_and_announce(f);
    const std::lock_guard lock(mutex_);
    ++counts_.frames;
    if (!done) ++counts_.errors[std::string(name(done.error().code))];
    return done;
}

result<void> share_server::upload_and_announce(const host_frame& f) {
    source_upload& own = uploads_[f.id.source];
    FACEFLOW_ASSIGN(auto uploaded, frames_.upload(*own.up, f, stage::capture));
    // Clients have no streams that could wait for the device.
    if (!device_.shares_host_memory()) {
        FACEFLOW_TRY(synchronise(*own.up, *own.ready, {stage::capture, f.id}));
    }
    ipc::share_frame about = facts_of(f, uploaded);
    about.announced_ns = std::chrono::nanoseconds(clock::now().time_since_epoch()).count();
    const std::lock_guard lock(mutex_);
    FACEFLOW_ASSIGN(const auto at, slabs_.find(uploaded.stored->slot));
    about.slab = at.slab;
    about.slot = at.slot;
    for (const auto& c : clients_) {
        // Disconnects an unusable client; the serving thread notices.
        if (!c->offer(uploaded, about, slabs_)) c->to().close_down();
    }
    return {};
}

server_counts share_server::counts() const {
    const std::lock_guard lock(mutex_);
    server_counts all = counts_;
    all.connected = clients_.size();
    for (const auto& c : clients_)
        add(all.told, c->counts());
    return all;
}

void share_server::serve() {
    while (!stopping_)
        serve_once();
}

// Checks all connections once. Each gets its turn whatever it sends, and no turn blocks.
void share_server::serve_once() {
    std::vector<std::shared_ptr<client_session>> clients;
    {
        const std::lock_guard lock(mutex_);
        clients = clients_;
    }
    const bool shut = clock::now() < door_shut_until_;
    std::vector<pollfd> waiting{{wake_.get(), POLLIN, 0}, {shut ? -1 : door_.descriptor(), POLLIN, 0}};
    for (const auto& s : pending_)
        waiting.push_back({s.from.descriptor(), POLLIN, 0});
    for (const auto& c : clients)
        waiting.push_back({c->to().descriptor(), POLLIN, 0});
    // Never without a timeout: even if the wake-up was lost, the end is noticed.
    const auto longest = shut ? std::chrono::milliseconds(door_shut) : 1000ms;
    ::poll(waiting.data(), waiting.size(), static_cast<int>(longest.count()));
    const std::size_t first_client = 2 + pending_.size();
    for (std::size_t i = 0; i < clients.size(); ++i) {
        if (waiting[first_client + i].revents != 0) listen_to(*clients[i]);
    }
    for (std::size_t i = 0; i < pending_.size(); ++i) {
        pending_client& p = pending_[i];
        if (waiting[2 + i].revents != 0 || clock::now() - p.since > patience) greet(p);
    }
    std::erase_if(pending_, [](const pending_client& p) { return p.over; });
    if (waiting[1].revents != 0) let_in();
}

void share_server::let_in() {
    auto came = door_.accept(clock::now());
    if (!came) {
        // Without a free descriptor, accept would fail again and again.
        if (came.error().code != errc::timeout) door_shut_until_ = clock::now() + door_shut;
        return;
    }
    pending_client p{std::move(*came), clock::now()};
    // Most clients have sent their greeting by now and never become pending.
    greet(p);
    if (p.over) return;
    if (pending_.size() >= max_pending_clients) pending_.erase(pending_.begin());
    pending_.push_back(std::move(p));
}

// Whether the greeting succeeds or fails, the client is no longer pending.
void share_server::greet(pending_client& p) {
    auto m = p.from.receive_some(max_greeting);
    const bool more_to_come = m && !*m;
    if (more_to_come && clock::now() - p.since <= patience) return;
    p.over = true;
    result<void> done;
    if (more_to_come) {
        done = fail(errc::timeout, "no greeting came in time");
    } else if (!m) {
        done = tl::unexpected(std::move(m.error()));
    } else {
        done = admit(p, **m);
    }
    if (done) return;
    const errc why = done.error().code;
    const bool refused = why == errc::unsupported || why == errc::unavailable || why == errc::out_of_memory;
    // A peer that only checked whether a server listens is not an error.
    const bool left = p.from.descriptor() >= 0 && p.from.closed() && why == errc::unavailable;
    if (!left) {
        const std::lock_guard lock(mutex_);
        ++(refused ? counts_.refused : counts_.malformed);
    }
    if (p.from.descriptor() >= 0) refuse(p.from, done.error());
}

result<void> share_server::admit(pending_client& p, const ipc::message& m) {
    FACEFLOW_ASSIGN(const auto hello, ipc::read_share_hello(m));
    std::size_t promised = options_.sources;
    {
        const std::lock_guard lock(mutex_);
        for (const auto& c : clients_)
            promised += c->leases();
    }
    if (promised >= options_.slots) {
        return fail(errc::unavailable,
                    fmt::format("all {} slots of the server are promised to its clients; close one, or "
                                "start faceflow share with more --slots",
                                options_.slots));
    }
    const auto granted = static_cast<std::uint32_t>(std::min<std::size_t>(hello.leases, options_.slots - promised));
    FACEFLOW_ASSIGN(auto session, client_session::create(std::move(p.from), next_client_, granted, hello.policy));
    // Under the lock: once a client has read its welcome, frames must be announced to it.
    const std::lock_guard lock(mutex_);
    FACEFLOW_TRY(session->welcome(options_.sources));
    ++next_client_;
    ++counts_.clients;
    clients_.push_back(std::move(session));
    joined_.notify_all();
    return {};
}

// A client sends nothing after its greeting: it disconnects, or it violates the protocol.
void share_server::listen_to(client_session& c) {
    const auto m = c.to().receive_some(0);
    if (m && !*m && !c.to().in_mid_message()) return;
    if (m || m.error().code != errc::unavailable) {
        const std::lock_guard lock(mutex_);
        ++counts_.malformed;
    }
    remove(c);
}

void share_server::remove(const client_session& c) {
    std::shared_ptr<client_session> leaving;  // destroyed outside the lock, because it ends leases
    const std::lock_guard lock(mutex_);
    const auto at = std::find_if(clients_.begin(), clients_.end(), [&](const auto& p) { return p.get() == &c; });
    if (at == clients_.end()) return;
    leaving = std::move(*at);
    clients_.erase(at);
    leaving->to().close_down();
    counts_.taken_back += leaving->leases_out();
    add(counts_.told, leaving->counts());
}

}  // namespace faceflow::internal::share
